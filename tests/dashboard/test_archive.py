from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from dashboard import archive
from dashboard.api.evidence import facts
from tests.support.messages import ALERT, EXAMPLES
from wire.evidence import PARTS
from wire.messages import Alert

PARTS_KEPT = {
    part.encode(): next(one for one in EXAMPLES if isinstance(one, kind)).encode() for part, kind in PARTS.items()
}


def opened(alert: Alert, kept: dict[bytes, bytes]) -> tuple[zipfile.ZipFile, dict[str, Any]]:
    made = zipfile.ZipFile(io.BytesIO(archive.build(alert, facts(kept), kept)))
    return made, json.loads(made.read("manifest.json"))


def test_everything_is_in_it_in_a_fixed_order() -> None:
    made, manifest = opened(ALERT, PARTS_KEPT)
    assert made.namelist() == [
        "README.txt", "manifest.json", "crops/00.jpg", "crops/01.jpg", "crops/02.jpg", "crops/03.jpg", "face.jpg",
        "sheet.jpg", "heat.jpg", "picture.jpg", "clip.mp4", "trace.json", "SHA256SUMS",
    ]  # fmt: skip
    assert {info.date_time for info in made.infolist()} == {(2023, 11, 14, 22, 13, 20)}
    assert manifest["missing"] == []
    assert manifest["alert"]["review"]["verdict"] == "false-alarm"
    assert manifest["times"]["started"] == "2023-11-14T22:13:20.000Z"
    assert manifest["made_by"]["model"] == ALERT.model
    assert manifest["made_by"]["threshold"] == 0.625
    assert manifest["evidence"]["camera"]["name"] == "lobby"
    named = {one["name"] for one in manifest["files"]}
    assert named == set(made.namelist()) - {"manifest.json", "SHA256SUMS"}
    assert json.loads(made.read("trace.json"))["points"][1][1:] == [0.75, "fake"]
    text = made.read("README.txt").decode()
    assert "lobby" in text
    assert "false-alarm" in text
    assert max(len(line) for line in text.splitlines()) <= 120


def test_the_same_in_gives_the_same_bytes_whatever_the_order_of_the_parts() -> None:
    turned = dict(reversed(PARTS_KEPT.items()))
    assert archive.build(ALERT, facts(PARTS_KEPT), PARTS_KEPT) == archive.build(ALERT, facts(turned), turned)


@pytest.mark.parametrize("without", [part.encode() for part in PARTS if part != "window"])
def test_what_is_missing_is_said(without: bytes) -> None:
    made, manifest = opened(ALERT, {part: data for part, data in PARTS_KEPT.items() if part != without})
    missing = {one["name"] for one in manifest["missing"]}
    expected = {b"explanation": {"sheet.jpg", "heat.jpg"}, b"trace": {"trace.json"}, b"clip": {"clip.mp4"},
                b"picture": {"picture.jpg"}}  # fmt: skip
    assert missing == expected[without]
    assert not missing & set(made.namelist())
    assert all(one["why"] for one in manifest["missing"])


def test_an_alert_without_any_evidence_is_exported_too() -> None:
    bare = replace(ALERT, track="", model="", score=None, peak=None, mean=None, threshold=None, kind="offline",
                   ended=None, review=UNSET)  # fmt: skip
    made, manifest = opened(bare, {})
    assert made.namelist() == ["README.txt", "manifest.json", "SHA256SUMS"]
    assert manifest["evidence"] is None
    assert {one["name"] for one in manifest["missing"]} == set(archive.ABSENT)
    assert "not yet" in made.read("README.txt").decode()


@pytest.mark.parametrize("started", [-1e18, -5.0, 0.0, 1e11, 1e300])
def test_no_time_is_too_strange(started: float) -> None:
    made, _ = opened(replace(ALERT, started=started, ended=started), PARTS_KEPT)
    assert made.testzip() is None


@pytest.mark.parametrize(("id", "name"), [("door-1-2", "door-1-2"), ("../a\n\"b'", "___a__b_"), ("ä" * 200, "_" * 128)])
def test_names_are_safe(id: str, name: str) -> None:
    assert archive.safe_name(id) == name
