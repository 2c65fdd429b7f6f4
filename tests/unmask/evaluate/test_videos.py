"""Which face decides about a video; and the same window scores in evaluate, scan and live."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from structlog import DropEvent, wrap_logger

from streamer import config, models
from streamer.camera import CameraRuntime
from streamer.models import Choice
from tests.streamer.conftest import KeepingSink
from tests.support import clips
from tests.support.servers import wait_until
from tests.unmask.evaluate.making import item, scored
from tests.worker.making import settings as tiny_settings
from unmask.evaluate.cache import WindowCache
from unmask.evaluate.videos import decide, find, judge, spread
from unmask.scan import scan
from wire.messages import Window
from wire.settings import CameraSettings, Settings
from worker.scorer import Scorer


def test_the_mean_of_the_windows_that_are_sure() -> None:
    outcome = decide([scored(1.0), scored(3.0), scored(9.0, "unsure")], {"1-0": 3})
    assert (outcome.score, outcome.sure, outcome.track) == (2.0, True, "1-0")
    outcome = decide([scored(1.0, "unsure"), scored(2.0, "unsure")], {"1-0": 2})
    assert (outcome.score, outcome.sure) == (1.5, False)


def test_the_highest_of_the_faces_that_were_seen_long_enough() -> None:
    scores = [scored(0.0, track="a")] * 4 + [scored(1.0, track="b")] * 2 + [scored(5.0, track="c")]
    outcome = decide(scores, {"a": 4, "b": 2, "c": 1})
    assert (outcome.track, outcome.score) == ("b", 1.0)
    assert outcome.main == {"a", "b"}


def test_a_glimpse_does_not_outweigh_a_short_clips_face() -> None:
    """Each track has one window, of 15 frames and of one."""
    outcome = decide([scored(0.0, "unsure", "a"), scored(5.0, "unsure", "b")], {"a": 15 / 16, "b": 1 / 16})
    assert outcome.track == "a"


def test_a_face_that_is_sure_goes_before_one_that_is_not() -> None:
    scores = [scored(0.0, track="a"), scored(5.0, "unsure", "b")]
    assert decide(scores, {"a": 1, "b": 1})[1:] == ("a", 0.0, True)


def test_spread() -> None:
    crops = [bytes([i]) for i in range(11)]
    assert spread(crops, 6) == [bytes([i]) for i in (0, 2, 4, 6, 8, 10)]
    assert spread(crops[:3], 6) == crops[:3]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.write(tmp_path_factory.mktemp("clip") / "face.mp4", clips.gliding(2))


@pytest.fixture(scope="module")
def settings(tiny: Path) -> Settings:
    return tiny_settings(tiny, streamer={"detector": "haar"})


@pytest.fixture(scope="module")
def choice(settings: Settings) -> Choice:
    return models.choose(settings.streamer, None)


def live_windows(clip: Path, settings: Settings, choice: Choice) -> list[Window]:
    """What a camera's own thread sends, its source read as fast as it goes."""
    camera = config.camera("cam", CameraSettings(url=f"file:{clip}"), settings.streamer)
    quick = replace(camera, source=replace(camera.source, paced=False))
    sink, log = KeepingSink(), wrap_logger(None, processors=[_drop])
    make = lambda: choice.make(settings.streamer)  # noqa: E731
    runtime = CameraRuntime(quick, settings.streamer, settings.window, make, sink, "me", log)
    runtime.start()
    wait_until(lambda: runtime.state().state == "ended", 60, "the file's end")
    runtime.stop()
    return sink.windows


def _drop(*_: object) -> dict[str, object]:
    raise DropEvent


def test_evaluate_scan_and_live_give_the_same_window_scores(clip: Path, settings: Settings, choice: Choice) -> None:
    scorer = Scorer(settings)
    one = item("face.mp4", path=clip)
    windows = find(one, settings, choice, WindowCache(None, settings, choice))
    evaluated = {(s.track, s.seq): s.p_fake for s in judge(one, windows, scorer).scores}
    (face,) = scan(clip, settings, scorer, Console(stderr=True))["faces"]
    scanned = {(face["track"], seq): window["p_fake"] for seq, window in enumerate(face["windows"])}
    lived = {(s.track, s.seq): s.p_fake for w in live_windows(clip, settings, choice) for s in scorer.score([w])}
    assert len(evaluated) >= 3
    assert len(set(evaluated.values())) == len(evaluated), "windows differ, or nothing would be compared"
    assert scanned == pytest.approx(evaluated, abs=1e-3)
    assert lived == pytest.approx(evaluated, abs=1e-3)


def test_a_clip_too_short_for_a_window_is_scored_and_unsure(tmp_path: Path, settings: Settings, choice: Choice) -> None:
    path = clips.write(tmp_path / "short.mp4", itertools.islice(clips.gliding(4), 12))
    nothing = WindowCache(None, settings, choice)
    video = judge(item(path=path), find(item(path=path), settings, choice, nothing), Scorer(settings), keep_strip=True)
    assert video.verdict == "unsure"
    assert not video.covered
    assert video.p_fake is not None
    assert [score.reason for score in video.scores] == ["only 3 of 4 frames"]
    assert len(video.frames) == 3
    assert video.shortcuts is not None
    assert len(video.strip) == 1
    assert scan(path, settings, Scorer(settings), Console(stderr=True))["verdict"] == "unsure"


def test_a_still_and_nobody(tmp_path: Path, settings: Settings, choice: Choice) -> None:
    nothing, scorer = WindowCache(None, settings, choice), Scorer(settings)
    still = item(path=clips.PORTRAIT)
    assert judge(still, find(still, settings, choice, nothing), scorer).verdict == "unsure"
    empty = item(path=clips.write(tmp_path / "plain.mp4", clips.plain(0.5)))
    video = judge(empty, find(empty, settings, choice, nothing), scorer)
    assert (video.verdict, video.score, video.covered) == ("no-face", None, False)


def test_files_of_the_same_name_do_not_share_features(tmp_path: Path, settings: Settings, choice: Choice) -> None:
    scorer, nothing, found = Scorer(settings), WindowCache(None, settings, choice), []
    for folder, width in (("a", 200), ("b", 120)):
        (tmp_path / folder).mkdir()
        pictures = (clips.face_at((320, 240), width) for _ in range(25))
        one = item(path=clips.write(tmp_path / folder / "same.mp4", pictures))
        windows = find(one, settings, choice, nothing)
        found.append(judge(one, windows, scorer).score)
        assert found[-1] == pytest.approx(judge(one, windows, Scorer(settings)).score, abs=1e-4)
    assert found[0] != pytest.approx(found[1], abs=1e-4)
