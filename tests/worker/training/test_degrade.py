"""Degradations: the same for both members of a pair, and each of them really there."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worker.training.making import PX, face
from worker.training.degrade import Cut, Degradation, Stream, draw, draw_cut, draw_stream, h264, jpeg


def test_the_same_draw_does_the_same() -> None:
    plan = draw(np.random.default_rng(3), 40, 60)
    assert np.array_equal(plan.before_codec(face(0)), plan.before_codec(face(0)))


@pytest.mark.parametrize(
    "plan",
    [
        Degradation(64, gain=(1.2, 1.0, 0.8)),
        Degradation(64, shift=20),
        Degradation(64, gamma=1.5),
        Degradation(64, blur=1.5),
        Degradation(64, motion=5),
        Degradation(64, noise=6),
    ],
)
def test_each_degradation_changes_the_picture(plan: Degradation) -> None:
    assert np.abs(plan.before_codec(face(0)).astype(int) - face(0)).mean() > 1
    assert np.array_equal(Degradation(64).before_codec(face(0)), face(0))


def test_grey_has_one_channel_three_times() -> None:
    out = Degradation(64, grey=True).before_codec(face(0))
    assert np.ptp(out, axis=2).max() == 0


def test_jpeg_error_grows_as_quality_falls() -> None:
    errors = [np.abs(jpeg(face(0), quality).astype(int) - face(0)).mean() for quality in (95, 60, 20)]
    assert errors == sorted(errors)
    assert errors[2] > 1.5 * errors[0]


def test_after_codec_applies_every_jpeg() -> None:
    assert np.array_equal(Degradation(64, quality=(40, 95)).after_codec(face(0)), jpeg(jpeg(face(0), 40), 95))


@pytest.mark.parametrize("group", [1, 4])
def test_h264_keeps_order_count_and_size(group: int) -> None:
    images = [np.full((PX, PX, 3), level, np.uint8) for level in (20, 80, 140, 200, 250)]
    out = h264(images, 20, group)
    assert [round(float(image.mean()), -1) for image in out] == pytest.approx([20, 80, 140, 200, 250], abs=10)
    assert {image.shape for image in out} == {(PX, PX, 3)}


def test_h264_loses_more_at_higher_crf() -> None:
    errors = [np.abs(h264([face(0)], crf)[0].astype(int) - face(0)).mean() for crf in (18, 40)]
    assert errors[1] > 1.2 * errors[0]


def test_cut_mirrors_and_stays_inside() -> None:
    image = face(0)
    whole = Cut(0.5, 0.5, 1.0, False).apply(image, PX)
    assert np.array_equal(whole, image)
    assert np.array_equal(Cut(0.5, 0.5, 1.0, True).apply(image, PX), image[:, ::-1])
    corner = Cut(0.0, 0.0, 0.5, False).apply(image, PX // 2)
    assert np.array_equal(corner, image[: PX // 2, : PX // 2])


def test_cut_follows_the_margin() -> None:
    """From a crop at 1.4 a window at 0.7 is half the side; a crop tighter than that is taken nearly whole."""
    sides = [draw_cut(1.4, (0.7, 0.7), np.random.default_rng(i)).side for i in range(5)]
    assert sides == pytest.approx([0.5] * 5)
    assert all(draw_cut(0.8, (1.0, 1.1), np.random.default_rng(i)).side >= 0.88 for i in range(5))


def test_draws_cover_the_range() -> None:
    plans = [draw(np.random.default_rng(i), 72, 200) for i in range(300)]
    assert {plan.native % 2 for plan in plans} == {0}
    assert min(p.native for p in plans) < 85
    assert max(p.native for p in plans) > 190
    strong = [plan.quality[0] for plan in plans if len(plan.quality) == 2]
    assert min(strong) < 36
    assert max(strong) > 94
    assert all(plan.quality[-1] == 95 for plan in plans)


def test_frames_that_do_not_arrive_show_the_last_that_did() -> None:
    clip = [face(number) for number in range(3)]
    out = Stream(Degradation(PX), (0, 0, 2)).apply(clip)
    assert np.array_equal(out[0], out[1])
    assert np.array_equal(out[2], clip[2])


def test_a_stream_does_the_same_to_both_of_a_pair() -> None:
    clip = [face(1)] * 4
    stream = draw_stream(np.random.default_rng(5), 4, coded=1.0)
    assert stream.plan.crf
    assert all(np.array_equal(a, b) for a, b in zip(stream.apply(clip), stream.apply(clip), strict=True))


def test_streams_are_coded_and_lossy_as_often_as_asked() -> None:
    drawn = [draw_stream(np.random.default_rng(seed), 16) for seed in range(300)]
    assert 0.5 < np.mean([stream.plan.crf > 0 for stream in drawn]) < 0.7
    assert 0.15 < np.mean([len(set(stream.shown)) < 16 for stream in drawn]) < 0.4
    assert all(
        later >= earlier for stream in drawn for earlier, later in zip(stream.shown, stream.shown[1:], strict=False)
    )
