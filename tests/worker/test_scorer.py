from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.worker.making import FRAMES, GOOD, settings, tiny_checkpoint, window
from wire.errors import CheckpointError
from wire.messages import Frame, Window
from wire.settings import Settings
from worker import checkpoint
from worker.encoding import Abandoned, Unscorable
from worker.features import unique_ids
from worker.scorer import Scorer, caveat


@pytest.fixture
def scorer(tiny: Path) -> Scorer:
    return Scorer(settings(tiny))


def counting(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each encode call got."""
    seen: list[int] = []
    encode = scorer._backend.encode
    monkeypatch.setattr(scorer._backend, "encode", lambda images: seen.append(len(images)) or encode(images))
    return seen


def test_a_score_says_where_it_comes_from(scorer: Scorer, tiny: Path) -> None:
    one = window(3, captured=1000.0)
    (score,) = scorer.score([one])
    assert (score.window, score.camera, score.track, score.seq) == ("door/1-0/3", "door", "1-0", 3)
    assert (score.captured, score.started) == (1000.0, pytest.approx(999.7))
    assert score.model == checkpoint.load(tiny).meta.model_id
    assert score.p_fake == pytest.approx(1 / (1 + np.exp(-score.logit)))
    assert score.verdict == "fake", "the tiny checkpoint's thresholds are low"
    assert score.box == one.frames[-1].box
    assert score.dequeued <= score.scored


def test_the_same_with_and_without_the_cache(scorer: Scorer, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = [window(seq) for seq in range(6)]
    plain = [Scorer(settings(tiny)).score([one])[0].logit for one in windows]
    seen = counting(scorer, monkeypatch)
    cached = [scorer.score([one])[0].logit for one in windows]
    assert cached == pytest.approx(plain, abs=2e-3), "features are fp16 either way"
    assert sum(seen) == 2 * len(windows) + 2, "half of each window was known"
    together = Scorer(settings(tiny)).score(windows)
    assert [score.logit for score in together] == pytest.approx(plain, abs=2e-3)


def test_a_frame_shared_within_a_batch_is_encoded_once(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = counting(scorer, monkeypatch)
    windows = [window(0), window(1)]
    result = scorer.infer(windows, {})
    assert seen == [6]
    assert set(result.fresh) == set(unique_ids(windows))
    again = scorer.infer(windows, result.fresh)
    assert (again.logits, again.fresh) == (pytest.approx(result.logits, abs=1e-5), {})


def test_the_picture_decides_whether_a_verdict_is_given(scorer: Scorer) -> None:
    (score,) = scorer.score([window(quality=replace(GOOD, face_px=20.0))])
    assert (score.verdict, score.reason) == ("unsure", "face too small (20 px, needs 48)")


def test_a_short_window_is_scored_and_unsure(scorer: Scorer) -> None:
    whole = window()
    (score,) = scorer.score([replace(whole, frames=whole.frames[:2])])
    assert (score.verdict, score.reason) == ("unsure", f"only 2 of {FRAMES} frames")


def broken(frames: tuple[Frame, ...]) -> Window:
    return replace(window(), frames=frames)


@pytest.mark.parametrize("count", [0, FRAMES + 1])
def test_too_many_or_no_frames_are_the_window_s_fault(scorer: Scorer, count: int) -> None:
    with pytest.raises(Unscorable, match=f"has {count} frames"):
        scorer.score([broken((window().frames * 2)[:count])])


def test_a_crop_that_is_no_picture_is_the_window_s_fault(scorer: Scorer) -> None:
    first, *others = window().frames
    with pytest.raises(Unscorable, match="no picture"):
        scorer.score([broken((Frame(first.index, first.captured, first.box, b"junk"), *others))])


def test_a_logit_that_is_no_number_is_never_called_clean(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer._backend, "head", lambda features, mask: np.array([np.nan], np.float32))
    with pytest.raises(Unscorable, match="nan"):
        scorer.score([window()])


def test_can_be_abandoned_between_chunks(scorer: Scorer) -> None:
    with pytest.raises(Abandoned):
        scorer.infer([window()], {}, abandon=lambda: True)


def test_what_was_begun_for_a_window_at_fault_is_not_kept(scorer: Scorer) -> None:
    bad = window(margin=0.5)
    begun = scorer.start([bad], {})
    with pytest.raises(Unscorable):
        scorer.infer([bad], {}, begun=begun)
    assert scorer.start([bad], {}).new == unique_ids([bad]), "it is encoded anew, and nothing waits for it"


def test_no_windows_no_scores(scorer: Scorer) -> None:
    assert scorer.score([]) == []


def test_it_names_its_device_and_what_to_know_of_its_model(scorer: Scorer) -> None:
    assert scorer.device == "PyTorch on the CPU, fp32, 1 threads"
    assert scorer.caveat.startswith("a baseline, ")


def test_a_checkpoint_for_other_windows_is_refused_in_one_line(tiny: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        Scorer(Settings(worker={"checkpoint": tiny}, window={"frames": 16}))
    assert f"made for windows of {FRAMES} frames, window.frames is 16: set window.frames to {FRAMES}" in str(
        caught.value
    )


def test_a_missing_or_corrupt_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        Scorer(settings(tmp_path / "none.safetensors"))
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"\0" * 100)
    with pytest.raises(CheckpointError):
        Scorer(settings(bad))


def test_a_frame_alone_scores_as_a_window_of_it_would(scorer: Scorer) -> None:
    whole = window()
    features = scorer.infer([whole], {}).fresh
    alone = [replace(whole, frames=(frame,)) for frame in whole.frames]
    expected = [score.logit for score in scorer.score(alone)]
    assert scorer.frame_logits(list(features.values())) == pytest.approx(expected, abs=1e-6)
    assert scorer.frame_logits([]) == []


def test_a_baseline_says_so_with_its_measured_figure(tmp_path: Path) -> None:
    meta = checkpoint.load(tiny_checkpoint(tmp_path / "a.safetensors")).meta
    assert caveat(meta) == "a baseline, nobody measured it on swaps never trained on"
    known = replace(meta, metrics={"swaps": checkpoint.Measured(0.708, 0.6, 0.807)})
    assert caveat(known) == "a baseline, AUC 0.71 (0.60-0.81) on swaps never trained on"
    assert caveat(replace(known, baseline=False)) == ""


def test_a_checkpoint_that_sees_more_than_windows_show_is_refused_in_one_line(tiny: Path) -> None:
    narrow = Settings(worker={"checkpoint": tiny}, window={"frames": FRAMES, "view_margin": 0.5})
    with pytest.raises(CheckpointError) as caught:
        Scorer(narrow)
    assert "sees 0.8 times the face, windows show 0.5 times: set window.view_margin to 0.8" in str(caught.value)


def test_a_window_that_shows_too_little_is_at_fault_itself(scorer: Scorer) -> None:
    with pytest.raises(Unscorable, match=r"shows 0\.5 times the face, the network sees 0\.8: set window.view_margin"):
        scorer.score([window(margin=0.5)])
    assert scorer.score([window(margin=0.8)])


def test_windows_of_two_margins_are_scored_together(scorer: Scorer, tiny: Path) -> None:
    both = [window(track="1-0", margin=0.8), window(track="1-1", margin=1.6)]
    alone = [Scorer(settings(tiny)).score([one])[0].logit for one in both]
    assert [score.logit for score in scorer.score(both)] == pytest.approx(alone, abs=1e-4)
    assert alone[0] != pytest.approx(alone[1], abs=1e-4)
