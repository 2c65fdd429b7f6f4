"""Crops on their way through the lanes, with a backend that does as it is told."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.making import picture
from wire.watchdog import HUNG_S, Calls
from worker.backend import ASIDE, PATIENCE, Half, Mask, Single
from worker.encoding import Abandoned, Cropped, Encoder, Unscorable, divide
from worker.features import FrameId
from worker.model import ModelConfig
from worker.preprocess import Pixels, pixels

CONFIG = ModelConfig(input_size=32)


class Told:
    """Encodes an image as its mean, when it may."""

    name, chunk, lanes, aside = "told", 4, 2, None

    def __init__(self) -> None:
        self.may, self.sizes = threading.Event(), list[int]()
        self.may.set()

    def encode(self, images: Pixels) -> Half:
        self.sizes.append(len(images))
        assert self.may.wait(10)
        return images.mean((1, 2, 3))[:, None].astype(np.float16)

    def head(self, features: Half, mask: Mask) -> Single:
        raise NotImplementedError


def crops(*numbers: int) -> dict[FrameId, Cropped]:
    return {("door", "1-0", number): (picture(number), 1.4) for number in numbers}


@pytest.fixture
def backend() -> Told:
    return Told()


@pytest.fixture
def encoder(backend: Told) -> Encoder:
    return Encoder(backend, CONFIG, Calls())


def never() -> bool:
    return False


def test_every_frame_gets_the_features_of_its_own_picture(encoder: Encoder, backend: Told) -> None:
    found = encoder.start(crops(*range(11))).features(never)
    for name, (jpeg, margin) in crops(*range(11)).items():
        assert found[name] == pytest.approx(backend.encode(pixels([jpeg], CONFIG, margin))[0])


def test_a_frame_on_its_way_is_not_encoded_again(encoder: Encoder, backend: Told) -> None:
    backend.may.clear()
    first, second = encoder.start(crops(0, 1, 2)), encoder.start(crops(1, 2, 3))
    backend.may.set()
    assert set(second.features(never)) == set(crops(1, 2, 3))
    assert set(first.features(never)) == set(crops(0, 1, 2))
    assert (list(first.new), list(second.new)) == (list(crops(0, 1, 2)), list(crops(3)))
    assert sum(backend.sizes) == 4


def test_what_has_landed_is_the_caller_s_to_remember(encoder: Encoder, backend: Told) -> None:
    encoder.start(crops(0)).features(never)
    encoder.start(crops(0)).features(never)
    assert backend.sizes == [1, 1]


def test_what_stands_behind_is_encoded_aside_in_small_slices_and_holds_up_no_lane(
    encoder: Encoder, backend: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may = list[int](), threading.Event()

    def aside(images: Pixels) -> Half:
        asked.append(len(images))
        assert may.wait(10)
        return images.mean((1, 2, 3))[:, None].astype(np.float16)

    monkeypatch.setattr(backend, "aside", aside)
    crowd = encoder.start(crops(*range(3 * ASIDE)), behind=True)
    assert len(encoder.start(crops(*range(100, 111))).features(never)) == 11, "though nothing of the crowd is done"
    assert not crowd.encoded(0)
    may.set()
    assert len(crowd.features(never)) == 3 * ASIDE
    assert asked == [ASIDE] * 3


@pytest.mark.parametrize(("behind", "patience"), [(True, PATIENCE), (False, 1.0)])
def test_what_gives_way_may_take_longer_until_it_counts_as_hung(
    backend: Told, monkeypatch: pytest.MonkeyPatch, behind: bool, patience: float
) -> None:
    """On a machine where others want everything it is starved: nothing hangs, and the worker is not to end for it."""
    now, begun, may = [0.0], threading.Event(), threading.Event()

    def starved(images: Pixels) -> Half:
        begun.set()
        assert may.wait(10)
        return images.mean((1, 2, 3))[:, None].astype(np.float16)

    monkeypatch.setattr(backend, "aside" if behind else "encode", starved)
    calls = Calls(lambda: now[0])
    encoding = Encoder(backend, CONFIG, calls).start(crops(0), behind)
    assert begun.wait(10)
    now[0] = patience * HUNG_S - 0.1
    assert calls.hung(HUNG_S) == ""
    now[0] = patience * HUNG_S
    assert calls.hung(HUNG_S)
    may.set()
    assert len(encoding.features(never)) == 1


def test_where_nothing_gives_way_what_stands_behind_takes_the_lanes(encoder: Encoder, backend: Told) -> None:
    assert len(encoder.start(crops(*range(5)), behind=True).features(never)) == 5
    assert sum(backend.sizes) == 5


def test_a_crop_that_is_no_picture_costs_its_own_encoding_only(encoder: Encoder) -> None:
    bad = encoder.start({**crops(0), ("door", "1-0", 9): (b"junk", 1.4)})
    good = encoder.start(crops(1))
    with pytest.raises(Unscorable, match="no picture"):
        bad.features(never)
    assert len(good.features(never)) == 1
    assert len(encoder.start(crops(0)).features(never)) == 1, "and may be tried again"


def test_abandoned_it_waits_for_nothing(encoder: Encoder, backend: Told) -> None:
    backend.may.clear()
    begun = encoder.start(crops(*range(20)))
    with pytest.raises(Abandoned):
        begun.features(lambda: True)
    backend.may.set()
    assert len(encoder.start(crops(*range(20))).features(never)) == 20


@given(st.integers(0, 200), st.integers(1, 16), st.integers(1, 9))
def test_slices_hold_all_once_fill_the_lanes_and_end_together(count: int, chunk: int, lanes: int) -> None:
    names = [("door", "1-0", number) for number in range(count)]
    slices = divide(names, chunk, lanes)
    assert [name for part in slices for name in part] == names
    assert all(1 <= len(part) <= chunk for part in slices)
    assert len(slices) >= min(count, lanes)
    rest = slices[count // (chunk * lanes) * lanes :]
    assert not rest or max(map(len, rest)) - min(map(len, rest)) <= 1


def test_the_lanes_are_known_to_be_free_once_all_is_encoded(encoder: Encoder, backend: Told) -> None:
    """Also where it failed, and where nothing had to be encoded."""
    free = threading.Semaphore(0)
    backend.may.clear()
    encoder.start(crops(*range(11))).then(free.release)
    assert not free.acquire(timeout=0.05)
    backend.may.set()
    assert free.acquire(timeout=10)
    encoder.start({("door", "1-0", 99): (b"no picture", 1.4)}).then(free.release)
    assert free.acquire(timeout=10)
    encoder.start({}).then(free.release)
    assert free.acquire(blocking=False)
    assert not free.acquire(blocking=False), "once each"
