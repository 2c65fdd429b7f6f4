"""Figures of made-up videos, by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unmask.evaluate.making import item, video
from unmask.evaluate import figures
from unmask.evaluate.videos import Video


def mixed() -> list[Video]:
    """Source a has both classes, b only fakes (a reenactment), c only a real video; one fake shows no face."""
    return [
        video(item("a1", 0, "a"), -2.0), video(item("a2", 0, "a"), 0.5, "fake"), video(item("a3", 1, "a"), 1.0, "fake"),
        video(item("a4", 1, "a"), -1.0), video(item("b1", 1, "b", kind="reenactment"), 2.0, "suspect"),
        video(item("b2", 1, "b"), None), video(item("c1", 0, "c"), 1.5, "unsure"),
    ]  # fmt: skip


def test_the_whole_set() -> None:
    found = figures.evaluate(mixed())
    assert found["counts"] == {
        "videos": 7, "real": 3, "fake": 4, "groups": 7, "windows": 12, "frames": 12, "no_face": 1,
    }  # fmt: skip
    assert found["video"]["auc"]["value"] == pytest.approx(6 / 9, abs=1e-6)
    assert found["coverage"]["value"] == pytest.approx(5 / 7, abs=1e-6)
    assert found["false_fake"]["videos"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["false_suspect"]["windows"]["value"] == pytest.approx(2 / 6, abs=1e-6)
    assert found["true_fake"]["videos"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["true_suspect"]["videos"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["shortcut_probe"]["auc"] is None, "too few videos for a fit"


def test_unsure_windows_beside_the_others() -> None:
    found = figures.evaluate(mixed())["unsure"]
    assert found["share"]["value"] == pytest.approx(2 / 12, abs=1e-6)
    assert (found["sure"]["windows"], found["unsure"]["windows"]) == (10, 2)
    assert found["unsure"]["error"]["value"] == 1.0  # c1 is real and scored 1.5
    assert found["sure"]["error"]["value"] == pytest.approx(4 / 10)  # a2 and a4
    assert found["unsure"]["auc"] is None
    assert found["reasons"] == {"blurred": 2}


def test_a_source_without_reals_is_told_apart_from_all_of_them() -> None:
    found = figures.evaluate(mixed())["by_source"]
    assert {name: part["against"] for name, part in found.items()} == {"a": "own", "b": "all reals", "c": "own"}
    assert found["a"]["video"]["auc"]["value"] == pytest.approx(3 / 4)
    assert found["b"]["video"]["auc"]["value"] == 1.0
    assert found["b"]["counts"]["real"] == 0
    assert found["b"]["coverage"]["value"] == 0.5
    assert found["c"]["video"]["auc"] is None
    assert found["c"]["ece"] is not None


def test_kinds() -> None:
    found = figures.evaluate(mixed())["by_kind"]
    assert set(found) == {"swap", "reenactment"}
    assert found["reenactment"]["counts"]["fake"] == 1
    assert found["reenactment"]["video"]["auc"]["value"] == 1.0
    assert found["swap"]["video"]["auc"]["value"] == pytest.approx(3 / 6)


def test_the_probe_finds_what_gives_the_fakes_away() -> None:
    videos = [video(item(f"v{i}", i % 2), 0.1 * i, features=float(i % 2) + 0.01 * i) for i in range(30)]
    assert figures.evaluate(videos)["shortcut_probe"]["auc"]["value"] == 1.0


def test_both_halves_of_a_pair_are_drawn_together() -> None:
    """Every pair is ranked rightly, so no draw of whole pairs can be without a class."""
    pairs = [video(item("p", label, part=part), label - 0.5) for label, part in ((0, "left"), (1, "right"))]
    found = figures.evaluate(pairs)
    assert found["counts"]["groups"] == 1
    assert found["video"]["auc"] == {"value": 1.0, "lo": 1.0, "hi": 1.0}


VIDEOS = st.lists(
    st.tuples(
        st.integers(0, 1), st.sampled_from("abc"), st.one_of(st.none(), st.floats(-5, 5)),
        st.sampled_from(["clean", "suspect", "fake", "unsure"]), st.sampled_from(["swap", "reenactment", "other"]),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(VIDEOS)
def test_whatever_the_videos_the_object_is_valid_and_intervals_hold(rows: list[tuple[Any, ...]]) -> None:
    videos = [
        video(item(f"v{n}", label, source, kind=kind if label else ""), logit, verdict)
        for n, (label, source, logit, verdict, kind) in enumerate(rows)
    ]
    found = json.loads(json.dumps(figures.evaluate(videos), allow_nan=False))

    def check(part: object) -> None:
        if isinstance(part, dict) and part.keys() == {"value", "lo", "hi"}:
            assert all(math.isfinite(number) and -1e-6 <= number <= 1 + 1e-6 for number in part.values())
            assert part["lo"] <= part["hi"]
        elif isinstance(part, dict):
            for inner in part.values():
                check(inner)

    check(found)
    assert set(found["video"]) == {"auc", "ap", "eer", "tpr_at_1fpr", "tpr_at_5fpr"}


def test_a_videos_line() -> None:
    assert figures.listed(video(item("p", 1, part="right"), 0.0, "unsure")) == {
        "file": "p", "part": "right", "label": "fake", "source": "s", "kind": "swap", "score": 0.0, "p_fake": 0.5,
        "verdict": "unsure", "windows": 2, "sure_windows": 0,
    }  # fmt: skip
    assert figures.listed(video(item("n"), None))["verdict"] == "no-face"
