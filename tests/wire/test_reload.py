"""A configuration file that changes, in the ways editors and orchestrators change one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wire.errors import ConfigError
from wire.reload import LOOK_S, FileWatch, Reload, differences
from wire.settings import Settings, load


class Clock:
    """Moves when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def looks(watch: FileWatch, clock: Clock, count: int = 4) -> list[bool]:
    found = []
    for _ in range(count):
        clock.now += LOOK_S
        found.append(watch.changed())
    return found


def in_place(path: Path) -> None:
    path.write_text("dashboard: {port: 9002}")


def renamed(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_text(path.read_text())  # the same bytes: another file all the same
    os.replace(other, path)


def link_turned(path: Path) -> None:
    """As a ConfigMap is updated: the file is a link into a folder that is a link to a dated folder."""
    second = path.parent / "..2"
    second.mkdir()
    (second / "unmask.yaml").write_text("dashboard: {port: 9003}")
    link = path.parent / "..new"
    link.symlink_to(second.name)
    os.replace(link, path.parent / "..data")


@pytest.mark.parametrize("change", [in_place, renamed, link_turned])
def test_each_change_is_told_once(change: Callable[[Path], None], tmp_path: Path) -> None:
    first = tmp_path / "..1"
    first.mkdir()
    (first / "unmask.yaml").write_text("dashboard: {port: 9001}")
    (tmp_path / "..data").symlink_to(first.name)
    path = tmp_path / "unmask.yaml"
    if change is link_turned:
        path.symlink_to("..data/unmask.yaml")
    else:
        path.write_text("dashboard: {port: 9001}")
    os.utime(path, (1000, 1000))  # long ago, however coarse the file system's clock is
    clock = Clock()
    watch = FileWatch(path, clock)
    assert looks(watch, clock) == [False] * 4
    change(path)
    assert looks(watch, clock) == [False, True, False, False]


def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    path, clock = tmp_path / "unmask.yaml", Clock()
    path.write_text("a")
    watch = FileWatch(path, clock)
    for length in range(2, 6):
        path.write_text("a" * length)
        assert looks(watch, clock, 1) == [False]
    assert looks(watch, clock, 2) == [True, False]


def test_it_does_not_look_more_often_than_it_must(tmp_path: Path) -> None:
    path, clock = tmp_path / "unmask.yaml", Clock()
    path.write_text("a")
    watch = FileWatch(path, clock)
    path.write_text("ab")
    assert not any(watch.changed() for _ in range(100))


def test_a_file_that_is_refused_and_one_that_is_gone(tmp_path: Path) -> None:
    path, clock = tmp_path / "unmask.yaml", Clock()
    path.write_text("dashboard: {port: 9001}")
    reload = Reload(path, clock)

    def poll() -> Settings | None:
        found = None
        for _ in range(3):
            clock.now += LOOK_S
            found = reload.poll() or found
        return found

    path.write_text("dashbord: {port: 9002}")
    with pytest.raises(ConfigError, match="did you mean 'dashboard'"):
        poll()
    assert "dashbord" in reload.trouble
    path.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        poll()
    path.write_text("dashboard: {port: 9003}")
    found = poll()
    assert found is not None
    assert (found.dashboard.port, reload.trouble) == (9003, "")


def test_differences_are_names_and_never_values(tmp_path: Path) -> None:
    path = tmp_path / "unmask.yaml"
    path.write_text("{}")
    before = load(path)
    path.write_text(
        "cameras: {a: {url: 'rtsp://u:s3cret@h/'}}\nworker: {batch: 4, quality: {max_yaw: 0.5}}\n"
        "notify: {webhooks: {w: {url: 'http://h/t0ken'}}}"
    )
    found = differences(before, load(path))
    assert found == ("cameras.a", "worker.batch", "worker.quality.max_yaw", "notify.webhooks.w")
    assert differences(before, before) == ()
