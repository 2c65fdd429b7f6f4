"""The command on self-made clips: the object, the table, the report, and what is wrong in one line."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support import clips
from tests.unmask.test_cli import assert_one_line, call, refused
from unmask.demo import scene
from unmask.evaluate.command import Request, run
from wire.errors import ServiceError, UsageError
from wire.settings import Settings

SECONDS = 2.8
TABLE = """file\tlabel\tsplit\tsource\tshows\tcolour
real.mp4\tREAL\tdev\tdemo\t\tred
fake.mp4\tfake\tdev\tdemo\tlive swap\tred
pair.mp4\tpair\tdev\tpairs\tlip-sync\tred
portrait.jpg\treal\tdev\tstills\t\tred
plain.mp4\treal\tdev\tnobody\t\tred
notes.mp4\tfake\tdev\tdemo\t\tred
gone.mp4\tfake\tdev\tdemo\t\tred
real.mp4\tmaybe\tdev\tdemo\t\tred
fake.mp4\tfake\ttrain\tdemo\t\tred
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evaluate")
    for name, manipulated in (("real", False), ("fake", True)):
        scene.render(path / f"{name}.mp4", manipulated=manipulated, seconds=SECONDS)
    clips.write(path / "pair.mp4", (np.hstack([one, one]) for one in itertools.islice(clips.gliding(4), 25)))
    cv2.imwrite(str(path / "portrait.jpg"), clips.portrait())
    clips.write(path / "plain.mp4", clips.plain(0.5))
    (path / "notes.mp4").write_text("no video")
    (path / "manifest.tsv").write_text(TABLE)
    (path / "unmask.yaml").write_text("streamer: {detector: haar}")
    return path


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    """The whole of it, once, with the default checkpoint."""
    request = Request(
        data=folder / "manifest.tsv", split="dev", as_json=True, report=folder / "report", cache=folder / "cache"
    )
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(request, Settings(streamer={"detector": "haar"})) == 0  # type: ignore[arg-type]
    return strict(out.getvalue())


def strict(text: str) -> dict[str, Any]:
    """The JSON object in `text`, which has no NaN and no infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def test_the_object(result: dict[str, Any]) -> None:
    assert re.fullmatch(r".+-[0-9a-f]{8}", result["model"])
    assert (Path(result["manifest"]).name, result["split"], result["detector"]) == ("manifest.tsv", "dev", "haar")
    for name in ("auc", "ap", "eer", "tpr_at_1fpr", "tpr_at_5fpr"):
        assert set(result["video"][name]) == {"value", "lo", "hi"}
    assert {"frame", "ece", "coverage", "false_fake", "shortcut_probe", "by_source", "by_kind"} <= result.keys()
    counts = result["counts"]
    assert (counts["real"], counts["fake"], counts["groups"], counts["no_face"]) == (4, 2, 5, 1)
    assert set(result["by_source"]) == {"demo", "pairs", "stills", "nobody"}
    assert set(result["by_kind"]) == {"swap", "reenactment"}


def test_the_videos(result: dict[str, Any]) -> None:
    videos = {(one["file"], one.get("part", "")): one for one in result["videos"]}
    assert videos["fake.mp4", ""]["p_fake"] > videos["real.mp4", ""]["p_fake"]
    assert videos["fake.mp4", ""]["kind"] == "swap"
    assert result["by_source"]["demo"]["video"]["auc"]["value"] == 1.0
    left, right = videos["pair.mp4", "left"], videos["pair.mp4", "right"]
    assert (left["label"], right["label"], right["kind"]) == ("real", "fake", "reenactment")
    assert left["verdict"] == right["verdict"] == "unsure", "a second is too short to be sure"
    assert left["score"] is not None
    assert videos["portrait.jpg", ""]["windows"] == 1
    assert videos["plain.mp4", ""]["verdict"] == "no-face"
    assert result["coverage"]["value"] == pytest.approx(2 / 6, abs=1e-6)


def test_what_could_not_be_read_is_named(result: dict[str, Any]) -> None:
    skipped = {one["file"]: one["reason"] for one in result["skipped"]}
    assert len(skipped) == result["counts"]["skipped"] == 3
    assert skipped["gone.mp4"] == "no such file"
    assert "maybe" in skipped["real.mp4"]
    assert "failed" in skipped["notes.mp4"]


def evaluate(folder: Path, **wanted: Any) -> int:
    """The command in this process, where torch is loaded already."""
    request = Request(data=folder / "m.tsv", **wanted)
    return run(request, Settings(streamer={"detector": "haar"}, window={"frames": 4}))  # type: ignore[arg-type]


def test_kept_windows_give_the_same_and_the_table_shows_it(
    folder: Path, result: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    entries = {path: path.read_bytes() for path in (folder / "cache").iterdir()}
    assert len(entries) == 6
    request = Request(data=folder / "manifest.tsv", split="dev", cache=folder / "cache")
    assert run(request, Settings(streamer={"detector": "haar"})) == 0  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert re.search(rf"video AUC +│ {result['video']['auc']['value']:.3f} \(", shown)
    assert "skipped: gone.mp4: no such file" in shown
    assert {path: path.read_bytes() for path in (folder / "cache").iterdir()} == entries


class Page(HTMLParser):
    """Collects what a page would fetch, and its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched, self.tags = list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        wanted = {"src", "srcset", "data", "action"} | ({"href"} if tag == "link" else set())
        self.fetched += [value or "" for name, value in attrs if name in wanted]


def test_the_report(folder: Path, result: dict[str, Any]) -> None:
    report = folder / "report"
    assert json.loads((report / "evaluation.json").read_text()) == result
    for name in ("roc", "precision-recall", "reliability", "scores"):
        plot = cv2.imread(str(report / f"{name}.png"))
        assert plot is not None
        assert plot.std() > 5
    text = (report / "index.html").read_text()
    page = Page()
    page.feed(text)
    assert all(value.startswith("data:") for value in page.fetched)
    assert "url(http" not in text
    assert "@import" not in text
    assert page.tags.count("svg") == 4
    assert "$" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.S), "every placeholder is filled in"
    for words in (result["model"], "gone.mp4", "pair.mp4 (left half)", "no-face"):
        assert words in text


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        ("file\tsplit\na.mp4\tdev\n", {}, "no column 'label'"),
        ("file\tlabel\n", {}, "no clip in it"),
        ("file\tlabel\tsplit\na.mp4\treal\tdev\n", {"split": "test"}, "name one of: dev"),
        ("file\tlabel\tsource\na.mp4\treal\tghost\n", {"sources": ["gost"]}, "choose among: ghost"),
    ],
)
def test_a_manifest_that_is_none(tmp_path: Path, table: str, options: dict[str, Any], said: str) -> None:
    (tmp_path / "m.tsv").write_text(table)
    with pytest.raises(UsageError, match=said):
        evaluate(tmp_path, as_json=True, keep=False, **options)


def test_from_a_shell(folder: Path, tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "m.tsv").write_text(f"file\tlabel\n{folder}/portrait.jpg\treal\nnotes.mp4\tfake\n")
    (tmp_path / "unmask.yaml").write_text("streamer: {detector: haar}\nwindow: {frames: 4}")
    done = call("evaluate", "--model", tiny, "--data", "m.tsv", "--json", "--no-cache", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = strict(done.stdout)
    assert (found["counts"]["real"], found["counts"]["skipped"]) == (1, 1)
    assert found["videos"][0]["verdict"] == "unsure"


def test_a_manifest_that_is_missing_is_one_line(tmp_path: Path) -> None:
    assert_one_line(refused("evaluate", "--data", "m.tsv", "--json", cwd=tmp_path), 2, "m.tsv", "no such file")


def test_nothing_to_score(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.tsv").write_text("file\tlabel\ngone.mp4\treal\n")
    assert evaluate(tmp_path, model=tiny, as_json=True, keep=False, report=tmp_path / "out") == 1
    told = capsys.readouterr()
    assert "nothing could be scored" in told.err
    found = json.loads(told.out)
    assert found["model"].startswith("tiny-")
    assert found["video"] == dict.fromkeys(("auc", "ap", "eer", "tpr_at_1fpr", "tpr_at_5fpr"))
    assert found["skipped"] == [{"file": "gone.mp4", "reason": "no such file"}]
    assert (tmp_path / "out" / "index.html").exists()


def test_folders_that_cannot_be_written(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "m.tsv").write_text("file\tlabel\ngone.mp4\treal\n")
    taken = tmp_path / "taken"
    taken.write_text("a file")
    for option in ("report", "cache"):
        with pytest.raises(ServiceError, match=f"taken .*--{option}"):
            evaluate(tmp_path, model=tiny, **{option: taken})
