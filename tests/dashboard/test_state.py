from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import state
from dashboard.state import Camera, CameraBook, judge
from tests.dashboard.feed import BASELINE, QUALITY
from wire.messages import CameraState, CameraStatus, Score
from wire.shards import shard_of

NOW = 1_000_000.0
LIMIT = 5.0
STATUSES = CameraStatus.__args__  # type: ignore[attr-defined]


def seen(**changes: Any) -> CameraState:
    return CameraState(
        **{
            "name": "door", "state": "live", "source": "rtsp://x", "since": NOW - 100, "updated": NOW - 0.5,
            "last_frame": NOW - 0.5, "faces": 1, **changes,
        }
    )  # fmt: skip


def scored(p_fake: float = 0.1, verdict: str = "clean", **changes: Any) -> Score:
    captured = changes.pop("captured", NOW - 1)
    return Score(
        **{
            "window": "w", "camera": "door", "track": "1-1", "epoch": 1, "seq": 0, "logit": 0.0, "p_fake": p_fake,
            "verdict": verdict, "quality": QUALITY, "model": BASELINE, "box": (0, 0, 1, 1), "frame_size": (2, 2),
            "started": captured - 2, "captured": captured, "enqueued": captured, "dequeued": captured,
            "scored": captured + 0.3, **changes,
        }
    )  # fmt: skip


def verdict(camera: CameraState | None, *scores: Score, now: float = NOW, waiting: float | None = None) -> Any:
    found = judge(camera, scores, now, LIMIT, waiting)
    return found.verdict, found.why


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        (None, ("offline", "never-reported")),
        (seen(updated=NOW - 6), ("stale", "streamer-silent")),
        (seen(updated=NOW + 6), ("stale", "clock-ahead")),
        (seen(state="frozen"), ("stale", "frozen")),
        (seen(state="unauthorised"), ("offline", "unauthorised")),
        (seen(state="connecting"), ("offline", "connecting")),
        (seen(state="unauthorised", updated=NOW - 6), ("stale", "streamer-silent")),
        (seen(last_frame=NOW - 6), ("stale", "no-frames")),
        (seen(last_frame=None), ("stale", "no-frames")),
        (seen(late_since=NOW - 6), ("stale", "not-analysed")),
        (seen(late_since=NOW - 6, faces=0), ("stale", "not-analysed")),  # nobody looked whether somebody is there
        (seen(late_since=NOW - 4), ("clean", "")),
        (seen(since=NOW - 0.5), ("unsure", "gathering")),  # the score is of the time before the reconnect
        (seen(faces=0), ("no-face", "")),
        (seen(), ("clean", "")),
    ],
)
def test_the_state_decides_what_a_clean_score_is_worth(camera: CameraState | None, expected: tuple[str, str]) -> None:
    assert verdict(camera, scored()) == expected


def test_silence_while_redis_is_lost_or_was_shortly_before_is_no_streamers() -> None:
    book = CameraBook(LIMIT)
    book.hear(seen(faces=0), NOW)
    book.unread_until[0] = NOW + 20
    assert book.view("door", NOW).verdict == "no-face", "what is known is fresh still"
    found = book.view("door", NOW + 19)
    assert (found.verdict, found.why) == ("stale", "redis-lost")
    assert book.view("door", NOW + 21).why == "streamer-silent"
    two = CameraBook(LIMIT, 2)
    two.hear(seen(faces=0), NOW)
    two.unread_until[1 - shard_of("door", 2)] = NOW + 20
    assert two.view("door", NOW + 19).why == "streamer-silent", "its own shard answers"


def test_the_worst_fresh_track_decides() -> None:
    tracks = [scored(0.1), scored(0.95, "fake", track="2"), scored(0.6, "suspect", track="3")]
    found = judge(seen(), tracks, NOW, LIMIT)
    assert found.verdict == "fake"
    assert found.score is tracks[1]
    unsure = scored(0.1, "unsure", track="4", reason="face too small")
    assert verdict(seen(), scored(), unsure) == ("unsure", "face too small")


def test_a_warning_outlives_the_face_and_a_clean_score_does_not() -> None:
    assert verdict(seen(faces=0), scored(0.9, "fake")) == ("fake", "")
    assert verdict(seen(faces=0), scored(0.9, "fake"), now=NOW + 4.3) == ("no-face", "")


def test_faces_without_scores_are_never_clean() -> None:
    old = scored(captured=NOW - 6)
    assert verdict(seen(), old) == ("unsure", "gathering")
    assert verdict(seen(), old, waiting=NOW - 4) == ("unsure", "gathering")
    assert verdict(seen(), old, waiting=NOW - 6) == ("stale", "not-scored")
    assert verdict(seen(), scored(captured=NOW - 9, scored=NOW - 1)) == ("stale", "behind")


@given(
    st.sampled_from(STATUSES), st.floats(-20, 60), st.floats(-20, 60) | st.none(), st.integers(0, 3),
    st.lists(st.tuples(st.floats(-20, 60), st.sampled_from(["clean", "suspect", "fake", "unsure"])), max_size=4),
    st.floats(0, 60) | st.none(),
)  # fmt: skip
def test_clean_means_live_and_heard_and_seen_and_scored_within_the_limit(
    status: str, updated: float, frame: float | None, faces: int, ages: list[tuple[float, str]], waiting: float | None
) -> None:
    camera = seen(
        state=status, updated=NOW - updated, last_frame=None if frame is None else NOW - frame, faces=faces
    )  # fmt: skip
    scores = [scored(verdict=given, captured=NOW - age, track=str(n)) for n, (age, given) in enumerate(ages)]
    found = judge(camera, scores, NOW, LIMIT, None if waiting is None else NOW - waiting)
    if found.verdict == "clean":
        assert status == "live"
        assert abs(updated) <= LIMIT
        assert frame is not None
        assert abs(frame) <= LIMIT
        assert faces > 0
        assert any(abs(age) <= LIMIT and given == "clean" for age, given in ages)
        assert all(given == "clean" for age, given in ages if abs(age) <= LIMIT)


def test_a_dead_worker_is_noticed_and_a_living_one_not_suspected() -> None:
    camera = Camera()
    for second in range(20):
        now = NOW + second
        camera.hear(seen(updated=now, last_frame=now, windows=second), now)
        if second < 8:
            camera.score(scored(captured=now - 0.3))
        view = camera.view("door", now, LIMIT)
        # The last score is of 6.7 s; windows are known to wait since 9 s.
        expected = "clean" if second <= 11 else "unsure" if second <= 14 else "stale"
        assert view.verdict == expected, second
    assert view.why == "not-scored"
    camera.score(scored(captured=now))
    assert camera.view("door", now, LIMIT).verdict == "clean"


def test_a_face_of_which_no_window_is_made_is_unsure_not_stale() -> None:
    camera = Camera()
    for second in range(20):
        camera.hear(seen(updated=NOW + second, last_frame=NOW + second, windows=4), NOW + second)
    assert camera.view("door", NOW + 19, LIMIT).verdict == "unsure"


def test_an_older_state_changes_nothing() -> None:
    book = CameraBook(LIMIT)
    assert book.hear(seen(updated=NOW), NOW)
    assert not book.hear(seen(updated=NOW - 1, state="frozen"), NOW)
    assert book.view("door", NOW).state == "live"


def test_the_timeline_is_bounded_and_in_order_whatever_the_order_of_arrival() -> None:
    book = CameraBook(LIMIT)
    for number in (3, 1, 2, 2, 5, 4):
        book.score(scored(number / 10, captured=NOW + number))
    assert [point[0] - NOW for point in book.timeline("door")["1-1"]] == [1, 2, 3, 4, 5]
    for number in range(2000):
        book.score(scored(captured=NOW + 10 + number))
        book.score(scored(track=f"t{number}", captured=NOW + 10 + number))
    lines = book.timeline("door")
    assert len(lines) <= state.MAX_TRACKS
    assert max(len(line) for line in lines.values()) <= state.MAX_POINTS
    book.forget(NOW + 10_000)
    assert book.timeline("door") == {}


def test_cameras_that_are_no_longer_configured_go_once_they_are_silent() -> None:
    book = CameraBook(LIMIT)
    book.hear(seen(), NOW)
    book.configure({"yard"}, NOW, {"door"})
    assert book.names() == ["door", "yard"]
    assert book.configure({"yard"}, NOW + 10, {"door"}) == {"door"}
    assert book.view("yard", NOW).why == "never-reported"


@given(st.floats(0, 200).filter(math.isfinite))
def test_silence_turns_every_verdict_stale(silence: float) -> None:
    camera = Camera()
    camera.hear(seen(updated=NOW, last_frame=NOW), NOW)
    camera.score(scored(0.99, "fake", captured=NOW))
    view = camera.view("door", NOW + silence, LIMIT)
    assert view.verdict == ("fake" if silence <= LIMIT else "stale")


def test_a_camera_of_which_no_state_is_kept_goes_at_once() -> None:
    book = CameraBook(LIMIT)
    book.hear(seen(), NOW)
    assert book.configure(set(), NOW, set()) == {"door"}


def test_a_clock_set_back_by_an_hour_costs_seconds_and_calls_nothing_fresh_that_is_old() -> None:
    """All clocks of a machine: what was known is dated an hour ahead, and new states look older than it."""
    book, back = CameraBook(LIMIT), NOW - 3600
    book.hear(seen(updated=NOW, last_frame=NOW), NOW)
    book.score(scored(captured=NOW - 0.5))
    assert book.view("door", NOW).verdict == "clean"
    assert book.view("door", back).why == "clock-ahead"
    assert book.hear(seen(updated=back, last_frame=back, since=back, windows=1), back), "what is said now counts"
    assert book.view("door", back + 1).verdict == "unsure", "the score of before the step is none of this picture"
    book.forget(back + 1)
    assert book.timeline("door") == {}
    book.score(scored(captured=back + 1.5, track="2-1"))
    assert book.view("door", back + 2).verdict == "clean"
    assert not book.hear(seen(updated=back - 1), back + 2), "from here on the order is as ever"


def test_a_dead_worker_is_noticed_though_the_clock_was_set_back() -> None:
    camera = Camera()
    camera.hear(seen(updated=NOW, windows=0), NOW)
    camera.hear(seen(updated=NOW + 1, last_frame=NOW + 1, windows=1), NOW + 1)  # it waits from here on
    for second in range(8):
        now = NOW - 3600 + second
        camera.hear(seen(updated=now, last_frame=now, since=NOW - 3600, windows=2 + second), now)
    assert camera.view("door", now, LIMIT).why == "not-scored"
