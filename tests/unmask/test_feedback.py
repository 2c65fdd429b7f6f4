"""`unmask export-feedback` on a real server: what it writes, that training reads it, that again is safe."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import redis
from msgspec.structs import replace
from rich.console import Console

from tests.dashboard.feed import Feed, alert_event
from tests.support.clips import FACE, portrait
from tests.support.servers import free_port
from tests.unmask.test_cli import assert_one_line, call
from tests.worker.making import GOOD
from unmask import feedback, train
from wire.keys import Keys
from wire.messages import Evidence, Frame, Portrait, Review, ReviewVerdict
from wire.settings import Settings
from wire.shards import Space
from worker.training.manifest import read_manifest
from worker.training.store import Pack

HAAR = Settings(streamer={"detector": "haar"})  # type: ignore[arg-type]


def crops(count: int = 3) -> list[bytes]:
    """Crops as a streamer cuts them: a face, 1.4 times its box, 224 px."""
    x, y, w, h = FACE
    side = round(1.4 * max(w, h))
    top, left = max(0, y + h // 2 - side // 2), max(0, x + w // 2 - side // 2)
    made = []
    for number in range(count):
        picture = cv2.resize(portrait()[top : top + side, left + number : left + number + side], (224, 224))
        made.append(bytes(cv2.imencode(".jpg", picture)[1].astype(np.uint8)))
    return made


@pytest.fixture
def feed(bus: redis.Redis, keys: Keys) -> Feed:
    return Feed(bus, keys)


def judge(feed: Feed, id: str, verdict: ReviewVerdict, note: str = "") -> None:
    feed.bus.set(feed.keys.review(id), Review(alert=id, verdict=verdict, note=note, at=time.time()).encode())


def judged(feed: Feed, id: str, verdict: ReviewVerdict, camera: str = "door", track: str = "1-1", **facts: str) -> None:
    feed.alert(id, "end", camera, track=track)
    feed.evidence(id, crops())
    judge(feed, id, verdict, **facts)


@pytest.fixture
def site(feed: Feed) -> Feed:
    """Six alerts: three of use, one not kept, one of a camera, one whose review was taken back; and one not judged."""
    judged(feed, "door-1", "confirmed", note='a "mask"\n\tsaid\0 Ä')
    judged(feed, "door-2", "false-alarm")
    judged(feed, "yard-1", "false-alarm", camera="yard", track="7-2")
    judged(feed, "yard-2", "none", camera="yard")
    feed.alert("gone", "end")
    judge(feed, "gone", "confirmed")
    feed.alert("yard-offline-1", "end", "yard", track="", kind="offline", score=None, threshold=None, model="")
    judge(feed, "yard-offline-1", "false-alarm")
    judge(feed, "forgotten", "confirmed")
    feed.alert("unjudged", "end")
    feed.evidence("unjudged", crops())
    return feed


def export(folder: Path, redis_url: str) -> subprocess.CompletedProcess[str]:
    return call("export-feedback", folder, cwd=folder.parent, env={"REDIS_URL": redis_url})


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_is_what_training_reads(site: Feed, redis_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "feedback"
    result = export(folder, redis_url)
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        f"{folder / 'manifest.tsv'}: 3 alerts (1 confirmed, 2 false alarms), 9 crops; 3 new; skipped: "
        "1 about a camera, without a face, 1 no longer kept, 1 without kept evidence\n"
    )
    clips = read_manifest(folder / "manifest.tsv")
    assert {(clip.label, clip.split, clip.group, clip.margin, clip.source) for clip in clips} == {
        ("fake", "train", "door/1-1", 1.4, "feedback"),
        ("real", "train", "door/1-1", 1.4, "feedback"),
        ("real", "train", "yard/7-2", 1.4, "feedback"),
    }
    assert (folder / "crops" / "door-1" / "01.jpg").read_bytes() == crops()[1]
    [store] = train.stores([folder], HAAR)  # what `unmask train --data DIR` does first
    pack = Pack(store)
    assert len(pack.rows) == 9
    assert sum(row.label for row in pack.rows) == 3
    assert {(row.split, row.margin, row.size) for row in pack.rows} == {("train", 1.4, 224)}
    assert all(pack.crops[i].shape == (224, 224, 3) for i in range(9))
    assert [entry.problem for entry in pack.entries if entry.problem] == []
    stored = {row.name: pack.crops.jpeg(i) for i, row in enumerate(pack.rows)}  # type: ignore[attr-defined]
    assert stored["crops/door-1/01.jpg"] == crops()[1]


def test_again_changes_nothing_and_adds_what_is_new(site: Feed, redis_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "feedback"
    export(folder, redis_url)
    before = files(folder)
    (folder / "crops" / ".late.part").mkdir()  # what a kill may leave
    again = export(folder, redis_url)
    assert "3 alerts (1 confirmed, 2 false alarms), 9 crops; 0 new" in again.stdout
    assert files(folder) == before
    judged(site, "late", "confirmed")
    site.bus.delete(site.keys.evidence("door-1"), site.keys.evidence("door-2"), site.keys.review("door-2"))
    result = export(folder, redis_url)
    assert "4 alerts (2 confirmed, 2 false alarms), 12 crops; 1 new" in result.stdout
    assert before.keys() < files(folder).keys()
    assert files(folder)["crops/door-2/00.jpg"] == before["crops/door-2/00.jpg"]


def test_a_changed_verdict_is_followed(site: Feed, redis_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "feedback"
    export(folder, redis_url)
    judge(site, "door-1", "false-alarm")
    judge(site, "yard-1", "none")
    judge(site, "yard-2", "confirmed")
    result = export(folder, redis_url)
    assert "3 alerts (1 confirmed, 2 false alarms), 9 crops; 1 new; 1 taken back" in result.stdout
    labels = {clip.path.parent.name: clip.label for clip in read_manifest(folder / "manifest.tsv")}
    assert labels == {"door-1": "real", "door-2": "real", "yard-2": "fake"}
    assert not (folder / "crops" / "yard-1").exists()


def test_what_was_taken_until_a_failure_is_in_the_manifest(site: Feed, tmp_path: Path) -> None:
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / ".door-2.part").write_text("a file where a folder is to be")
    with pytest.raises(OSError, match="door-2"):
        feedback.collect([Space(site.bus, site.keys)], tmp_path, Console(quiet=True))
    assert {clip.path.parent.name for clip in read_manifest(tmp_path / "manifest.tsv")} == {"door-1"}


def test_what_can_not_be_read_is_skipped(feed: Feed, tmp_path: Path) -> None:
    judged(feed, "a", "confirmed")
    feed.bus.set(feed.keys.evidence("a"), b"garbage")
    feed.alert("b", "end")
    feed.bus.set(feed.keys.review("b"), b"garbage")
    lines, counts = feedback.collect([Space(feed.bus, feed.keys)], tmp_path, Console(quiet=True))
    assert lines == []
    assert counts == {"without kept evidence": 1, "no longer kept": 1}


def test_an_id_never_leads_out_of_the_folder(feed: Feed, tmp_path: Path) -> None:
    window = replace(alert_event("../../x", "end").alert, track="1-1")
    feed.bus.set(feed.keys.alert("../../x"), window.encode())
    feed.evidence("../../x", crops(1))
    judge(feed, "../../x", "confirmed")
    lines, _ = feedback.collect([Space(feed.bus, feed.keys)], tmp_path / "f", Console(quiet=True))
    assert [line["file"] for line in lines] == ["crops/______x/00.jpg"]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_refusals_are_one_line(redis_url: str, tmp_path: Path) -> None:
    nothing = export(tmp_path / "none", redis_url)
    assert nothing.returncode == 1
    assert "0 alerts (0 confirmed, 0 false alarms), 0 crops; 0 new" in nothing.stdout
    assert_one_line(nothing, 1, "has been judged: press Confirmed or False alarm")
    (tmp_path / "manifest.tsv").write_text("file\tlabel\n")
    assert_one_line(export(tmp_path, redis_url), 2, "not of this command")
    (tmp_path / "file").write_text("")
    assert_one_line(export(tmp_path / "file", redis_url), 2, "can't be written")
    lost = export(tmp_path / "x", f"redis://127.0.0.1:{free_port()}/0")
    assert_one_line(lost, 1, "can't be reached")


def test_crops_keep_their_margin_and_the_portrait_comes_along(feed: Feed, tmp_path: Path) -> None:
    judged(feed, "a", "confirmed")
    [jpeg] = crops(1)
    frames = (Frame(0, 1.0, (1.0, 2.0, 3.0, 4.0), jpeg),)
    kept = Evidence(
        alert="a", window="door/1-1/7", model="tiny", threshold=0.8, p_fake=0.9, quality=GOOD, frame_size=(640, 480),
        frames=frames, margin=0.8, portrait=Portrait(1.4, jpeg),
    )  # fmt: skip
    feed.bus.hset(feed.keys.evidence("a"), "window", kept.encode())
    lines, _ = feedback.collect([Space(feed.bus, feed.keys)], tmp_path, Console(quiet=True))
    assert [(line["file"], line["margin"]) for line in lines] == [
        ("crops/a/00.jpg", "0.8"),
        ("crops/a/face.jpg", "1.4"),
    ]
    assert (tmp_path / "crops" / "a" / "face.jpg").read_bytes() == jpeg
