"""From crops to the network's input: the cut, the resize, the channels."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import pytest
import torch

from tests.worker.pictures import prepare
from tests.worker.test_model import TINY
from worker.preprocess import Image, centre_cut

PLAIN = msgspec.structs.replace(TINY, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), crop_margin=0.7, input_size=32)


def framed(size: int = 128, inner: float = 0.5) -> Image:
    """A black square with a white centre of `inner` of its side."""
    image = np.zeros((size, size, 3), np.uint8)
    edge = round(size * (1 - inner) / 2)
    image[edge : size - edge, edge : size - edge] = 255
    return image


def test_cut_takes_crop_margin_over_stream_margin() -> None:
    """0.7 of 1.4 is half the side: exactly the white centre, not one black pixel of the frame around it."""
    assert prepare([framed()], PLAIN).eq(1).all()
    wider = prepare([framed()], msgspec.structs.replace(PLAIN, crop_margin=0.9))
    assert wider[0, :, 0].eq(0).all()


def test_a_tighter_crop_is_taken_whole() -> None:
    image = framed(inner=0.5)
    assert np.array_equal(centre_cut(image, 3.0, 128), image)


def test_colour_order_mean_and_std() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 2] = 255  # red, as OpenCV orders it
    rgb = prepare([image], msgspec.structs.replace(PLAIN, mean=(0.5, 0.0, 0.0), std=(0.25, 1.0, 1.0)))
    assert rgb[0, :, 0, 0].tolist() == [2.0, 0.0, 0.0]
    bgr = prepare([image], msgspec.structs.replace(PLAIN, colour="bgr"))
    assert bgr[0, :, 0, 0].tolist() == [0.0, 0.0, 1.0]


def test_jpeg_and_array_agree() -> None:
    raw = cv2.imencode(".jpg", framed(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    decoded = np.asarray(cv2.imdecode(raw, cv2.IMREAD_COLOR), np.uint8)
    assert torch.equal(prepare([raw.tobytes()], PLAIN), prepare([decoded], PLAIN))


def test_shrinking_does_not_alias() -> None:
    """Stripes one pixel wide become grey, not stripes."""
    image = np.zeros((128, 128, 3), np.uint8)
    image[:, ::2] = 255
    out = prepare([image], PLAIN)
    assert float(out.std()) < 0.02
    assert abs(float(out.mean()) - 0.5) < 0.02


def test_shape_and_type_of_many_and_none() -> None:
    many = prepare([framed(), framed(64), framed(300)], PLAIN)
    assert (many.shape, many.dtype) == ((3, 3, 32, 32), torch.float32)
    assert prepare([], PLAIN).shape == (0, 3, 32, 32)


@pytest.mark.parametrize("broken", [b"", b"not a picture", np.zeros((8, 8), np.uint8), np.zeros((0, 8, 3), np.uint8)])
def test_what_is_no_picture(broken: bytes | Image) -> None:
    with pytest.raises(ValueError, match="crop"):
        prepare([broken], PLAIN)
