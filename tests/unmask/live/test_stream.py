"""The streams: what is in them when, and that size, bitrate, rate and loss are what they say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.live import stream
from unmask.live.conditions import Condition, parse
from unmask.live.schedule import Camera, Show, Visit
from unmask.live.stream import MTU, Picture, Sent
from wire.errors import UsageError
from worker.training.manifest import Clip

CONDITION = parse("240p/400k/10")


def camera(show: Show) -> Camera:
    """Six seconds of a four-second clip between two pauses of one."""
    return Camera("c", 8.0, (Visit(show, 1.0, 7.0),))


def decoded(path: Path) -> list[tuple[float, Picture]]:
    with stream.open_clip(path) as reader:
        return [(frame.captured, frame.bgr()) for frame in reader.frames()]


def psnr(one: Picture, other: Picture) -> float:
    return float(cv2.PSNR(one, other))


def sent(show: Show, name: str, folder: Path) -> tuple[Sent, list[tuple[float, Picture]]]:
    condition = parse(name)
    made = stream.write(camera(show), [condition], folder, seed=3)[condition]
    assert list(folder.iterdir()) == [made.path]
    frames = decoded(made.path)
    made.path.unlink()
    return made.sent, frames


def test_pictures_come_when_the_schedule_says(real: Show) -> None:
    made = list(stream.pictures(camera(real), CONDITION))
    assert len(made) == 80
    assert all(picture.shape == (240, 426, 3) for picture in made)
    assert [int(picture.std() < 1) for picture in made] == [1] * 10 + [0] * 60 + [1] * 10
    there, back = made[10:50], made[50:70]
    assert all(np.array_equal(one, two) for one, two in zip(back, there[-2::-1], strict=False))  # to and fro
    assert not np.array_equal(made[10], made[11])


def test_a_slow_clip_repeats_and_a_fast_one_skips(real: Show) -> None:
    slow, fast = (list(stream.played(real, fps, 2 * fps)) for fps in (5, 50))
    assert [len(slow), len(fast)] == [10, 100]
    assert all(np.array_equal(slow[number], fast[10 * number]) for number in range(10))
    assert np.array_equal(fast[0], fast[1])  # the clip has 25 a second
    assert not np.array_equal(fast[1], fast[2])


def test_the_stream_holds_those_pictures_at_those_times(real: Show, tmp_path: Path) -> None:
    facts, frames = sent(real, "240p/400k/10", tmp_path)
    assert [time for time, _ in frames] == pytest.approx([number / 10 for number in range(80)], abs=1e-3)
    assert (facts.frames, facts.lost) == (80, 0)
    for (_, picture), wanted in zip(frames, stream.pictures(camera(real), CONDITION), strict=True):
        assert psnr(picture, wanted) > 26


def test_fewer_bits_are_a_worse_picture(real: Show, tmp_path: Path) -> None:
    quality, rates = [], []
    wanted = list(stream.pictures(camera(real), CONDITION))[10:70]
    for kbit_s in (600, 150, 50):
        facts, frames = sent(real, f"240p/{kbit_s}k/10", tmp_path)
        shown = [picture for _, picture in frames][10:70]
        quality.append(float(np.mean([psnr(one, two) for one, two in zip(shown, wanted, strict=True)])))
        rates.append(facts.bytes * 8 / 1000 / 8)
    assert quality[0] > quality[1] + 1 > quality[2] + 2
    assert all(rate <= limit * 1.15 for rate, limit in zip(rates, (600, 150, 50), strict=True))


def test_lost_packets_damage_pictures_and_lose_frames(real: Show, tmp_path: Path) -> None:
    whole, clean = sent(real, "360p/900k/10", tmp_path)
    facts, frames = sent(real, "360p/900k/10/loss10", tmp_path)
    assert facts.packets == pytest.approx(whole.packets, rel=0.02)  # the container adds a few bytes a frame
    assert 0.03 < facts.lost / facts.packets < 0.2
    assert 40 < len(frames) < len(clean)
    original = {round(time, 2): picture for time, picture in clean}
    damage = [psnr(picture, original[round(time, 2)]) for time, picture in frames]
    assert min(damage) < 32
    assert 0.05 < np.mean([value < 60 for value in damage]) < 0.95  # the others are as they were sent
    again = sent(real, "360p/900k/10/loss10", tmp_path)
    assert again[0] == facts
    assert all(np.array_equal(one, two) for (_, one), (_, two) in zip(again[1], frames, strict=True))


@given(st.binary(min_size=1, max_size=6 * MTU), st.floats(0, 50), st.integers(0, 999))
def test_a_frame_arrives_in_order_or_without_its_beginning_not_at_all(data: bytes, loss: float, seed: int) -> None:
    kept = stream.arrivals(len(data), loss, np.random.default_rng(seed))
    assert len(kept) == -(-len(data) // MTU)
    left = stream.damaged(data, kept)
    if all(kept):
        assert left == data
    elif kept[0]:
        assert left[:MTU] == data[:MTU]
        assert len(left) < len(data)
    else:
        assert left == b""
    assert all(stream.arrivals(len(data), 0, np.random.default_rng(seed)))


def test_any_picture_is_fitted_on_black() -> None:
    for width, height in ((100, 50), (50, 100), (2000, 1000), (7, 7)):
        made = stream.fit(np.full((height, width, 3), 200, np.uint8), (160, 90))
        assert made.shape == (90, 160, 3)
        assert set(np.unique(made)) <= {0, 200}
        rows, columns = np.nonzero(made[..., 0])
        seen = (columns.max() - columns.min() + 1) / (rows.max() - rows.min() + 1)
        assert seen == pytest.approx(width / height, rel=0.03)


def test_a_pair_is_two_shows(clips: Path) -> None:
    rows = [("real.mp4", "real"), ("fake.mp4", "fake"), ("fake.mp4", "pair")]
    shows, short = stream.shows([Clip(clips / name, label, "dev", "s") for name, label in rows])
    assert not short
    assert [(show.fake, show.half) for show in shows] == [
        (False, "whole"), (True, "whole"), (False, "left"), (True, "right"),
    ]  # fmt: skip
    whole, left, right = (next(stream.played(show, 5, 1)) for show in shows[1:])
    assert np.array_equal(left, whole[:, : 427 - 4])
    assert np.array_equal(right, whole[:, 427 + 4 :])


def test_a_clip_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent"):
        stream.shows([Clip(tmp_path / "absent.mp4", "real", "dev", "s")])


def test_conditions_that_differ_in_loss_share_their_encoding_and_nothing_else(real: Show, tmp_path: Path) -> None:
    conditions = [Condition(240, 400, 10, loss) for loss in (0.0, 5.0, 20.0)]
    made = stream.write(camera(real), conditions, tmp_path, seed=1)
    assert [made[condition].sent.packets for condition in conditions[:2]] == [made[conditions[2]].sent.packets] * 2
    lost = [made[condition].sent.lost for condition in conditions]
    assert lost[0] == 0 < lost[1] < lost[2]
    assert len({one.path.stem for one in made.values()}) == 3
    before = made[conditions[2]].path.read_bytes()
    again = stream.write(camera(real), conditions[2:], tmp_path, seed=2)  # another seed loses other packets
    assert again[conditions[2]].path.read_bytes() != before
