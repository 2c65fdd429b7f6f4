from __future__ import annotations

import hashlib
import threading
import urllib.error
from pathlib import Path

import pytest

from streamer import models
from streamer.faces import Haar
from wire.errors import ServiceError
from wire.settings import StreamerSettings

DATA = b"a model"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "SHA256", hashlib.sha256(DATA).hexdigest())
    monkeypatch.setattr(models, "user_cache_dir", lambda _: str(tmp_path / "cache"))


def offline() -> bytes:
    raise urllib.error.URLError("no route")


def never() -> bytes:
    raise AssertionError("no download is wanted")


def put(folder: Path, data: bytes = DATA) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / models.FILE).write_bytes(data)
    return folder


def test_the_configured_folder_comes_first(tmp_path: Path) -> None:
    put(tmp_path / "cache")
    choice = models.choose(StreamerSettings(), put(tmp_path / "mine"), never)
    assert (choice.kind, choice.model) == ("yunet", tmp_path / "mine" / models.FILE)


def test_then_the_cache(tmp_path: Path) -> None:
    put(tmp_path / "cache")
    assert models.choose(StreamerSettings(), tmp_path / "empty", never).model == tmp_path / "cache" / models.FILE


def test_then_it_is_downloaded_once_and_whole(tmp_path: Path) -> None:
    assert models.choose(StreamerSettings(), None, lambda: DATA).kind == "yunet"
    assert (tmp_path / "cache" / models.FILE).read_bytes() == DATA
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert models.choose(StreamerSettings(), None, never).kind == "yunet"


def test_what_was_downloaded_is_checked(tmp_path: Path) -> None:
    choice = models.choose(StreamerSettings(), None, lambda: b"<html>")
    assert choice.kind == "haar"
    assert "sha256" in choice.why
    assert not (tmp_path / "cache" / models.FILE).exists()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    choice = models.choose(StreamerSettings(), put(tmp_path / "mine", b"half"), offline)
    assert choice.kind == "haar"
    assert "damaged" in choice.why
    assert "no route" in choice.why


def test_haar_stands_in_when_there_is_no_network() -> None:
    choice = models.choose(StreamerSettings(), None, offline)
    assert (choice.kind, choice.model) == ("haar", None)
    assert isinstance(choice.make(StreamerSettings()), Haar)


def test_haar_on_request_asks_nobody() -> None:
    choice = models.choose(StreamerSettings(detector="haar"), None, never)
    assert (choice.kind, choice.why) == ("haar", "")


def test_yunet_on_demand_is_an_error_with_a_remedy() -> None:
    with pytest.raises(ServiceError) as caught:
        models.choose(StreamerSettings(detector="yunet"), None, offline)
    assert "UNMASK_MODELS" in str(caught.value)
    assert models.URL in str(caught.value)


def test_a_slow_download_does_not_hold_up_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(models, "PATIENCE_S", 0.05)
    go = threading.Event()

    def slow() -> bytes:
        go.wait(10)
        return DATA

    assert "within" in models.choose(StreamerSettings(), None, slow).why
    go.set()
    for thread in threading.enumerate():
        if thread.name == "yunet-download":
            thread.join(10)
    assert (tmp_path / "cache" / models.FILE).is_file()  # it serves the next start


def test_the_official_file_is_the_one_that_is_checked_for(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert models.choose(StreamerSettings(), shared / "models", never).kind == "yunet"
