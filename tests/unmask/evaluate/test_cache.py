"""Kept windows: the same as found, never another's, never out of date."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from streamer.models import Choice
from tests.unmask.evaluate.making import item
from tests.worker.making import window
from unmask.evaluate import cache
from unmask.evaluate.cache import Entry, WindowCache
from wire.settings import Settings

HAAR = Choice("haar", None)


def place(folder: Path, clip: Path, choice: Choice = HAAR, part: str = "", **sections: Any) -> Path:
    found = WindowCache(folder, Settings(**sections), choice).path(item(path=clip, part=part))
    assert found
    return found


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"one")
    return path


def test_what_is_put_is_got(tmp_path: Path, clip: Path) -> None:
    kept = WindowCache(tmp_path / "cache", Settings(), HAAR)
    frames = window(0).frames + window(2).frames
    windows = [replace(window(seq), frames=frames[2 * seq : 2 * seq + 4]) for seq in range(3)]
    windows.append(replace(window(0), track="1-1"))
    where = kept.path(item(path=clip))
    assert kept.get(where) is None
    kept.put(where, windows)
    assert kept.get(where) == windows
    assert len(Entry.of(windows).frames) == 4 + 2 + 2 + 4, "shared crops are kept once"
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0, "faces are the user's alone"
    assert len(list((tmp_path / "cache").iterdir())) == 1, "nothing half-written is left"


def test_no_windows_are_kept_too(tmp_path: Path, clip: Path) -> None:
    kept = WindowCache(tmp_path / "cache", Settings(), HAAR)
    kept.put(kept.path(item(path=clip)), [])
    assert kept.get(kept.path(item(path=clip))) == []


def test_everything_that_decides_the_windows_is_in_the_name(tmp_path: Path, clip: Path) -> None:
    model = tmp_path / "yunet.onnx"
    model.write_bytes(b"weights")
    first = place(tmp_path, clip)
    assert place(tmp_path, clip) == first
    others = [
        place(tmp_path, clip, part="left"),
        place(tmp_path, clip, part="right"),
        place(tmp_path, clip, Choice("yunet", model)),
        place(tmp_path, clip, window={"crop_margin": 1.5}),
        place(tmp_path, clip, window={"stride": 8}),
        place(tmp_path, clip, streamer={"detect_width": 320}),
        place(tmp_path, clip, streamer={"min_face_px": 60}),
    ]
    model.write_bytes(b"other weights")
    others.append(place(tmp_path, clip, Choice("yunet", model)))
    clip.write_bytes(b"two")
    others.append(place(tmp_path, clip))
    assert len({first, *others}) == 1 + len(others)
    clip.write_bytes(b"one")
    assert place(tmp_path, clip, streamer={"name": "elsewhere"}, worker={"batch": 3}) == first


def test_other_code_or_libraries_give_other_names(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place(tmp_path, clip)
    package = tmp_path / "streamer"
    package.mkdir()
    (package / "__init__.py").write_text("# changed")
    with monkeypatch.context() as patch:
        patch.setattr(cache.streamer, "__file__", str(package / "__init__.py"))
        assert place(tmp_path, clip) != first
    monkeypatch.setattr(cache, "version", lambda library: "0")
    assert place(tmp_path, clip) != first


@pytest.mark.parametrize("content", [b"", b"junk", b"\x93\x90\x90\x91\x91\x01"])
def test_a_damaged_entry_counts_as_absent(tmp_path: Path, clip: Path, content: bytes) -> None:
    kept = WindowCache(tmp_path / "cache", Settings(), HAAR)
    where = kept.path(item(path=clip))
    assert where
    where.write_bytes(content)
    assert kept.get(where) is None


def test_without_a_folder_nothing_is_kept(clip: Path) -> None:
    none = WindowCache(None, Settings(), HAAR)
    assert none.path(item(path=clip)) is None
    none.put(None, [window()])
    assert none.get(None) is None
    none.prune()


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    kept = WindowCache(folder, Settings(), HAAR)
    for number in range(4):
        path = folder / f"{number}{cache.SUFFIX}"
        path.write_bytes(bytes(100))
        os.utime(path, (number, number))
    kept.prune(largest=250)
    assert sorted(path.stem for path in folder.iterdir()) == ["2", "3"]
