"""Every `unmask` command of README and the guides is typed as it stands there, and arrives.

What a command hands its work to is noted instead of done: those functions have tests of their own, which LEADS_TO
names. What is done at once is done.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import shellingham

from tests.support.commands import Command, commands
from tests.test_commands import PAGES, ROOT, command_line

LEADS_TO = {  # a command: what does its work, and the test that has it done
    "run": (
        "unmask.start.run",
        "tests/e2e/test_line.py::test_from_rtsp_cameras_over_tcp_and_udp_to_subscriber_and_page",
    ),
    "demo": ("unmask.demo.play.run", "tests/e2e/test_demo.py::test_the_demo_alerts_on_the_right_camera"),
    "streamer": ("unmask.runner.run_streamer", "tests/streamer/test_main.py::test_a_signal_ends_it_cleanly"),
    "worker": ("worker.service.run", "tests/worker/test_kill.py::test_sigterm_ends_it_in_time_and_whole"),
    "dashboard": (
        "dashboard.service.run",
        "tests/dashboard/test_service.py::test_sigterm_ends_it_cleanly_and_soon_with_100_subscribers",
    ),
    "health": ("unmask.probes.health", "tests/unmask/test_probes.py::test_a_redis_that_says_nothing_is_not_waited_for"),
    "health --live": ("unmask.probes.live", "tests/unmask/test_probes.py::test_no_restart_for_what_none_would_mend"),
    "check": ("unmask.check.run", "tests/unmask/test_check.py::test_each_camera_is_probed_and_named"),
    "doctor": ("unmask.doctor.page.run", "tests/unmask/doctor/test_page.py::test_one_object_for_programs"),
    "data index": (
        "unmask.data.index.run",
        "tests/unmask/data/test_index.py::test_the_command_writes_a_manifest_that_reads_back",
    ),
    "data faces": ("unmask.data.faces.run", "tests/unmask/data/test_faces.py::test_what_is_stored"),
    "data fakes": ("unmask.data.fakes.run", "tests/unmask/data/test_fakes.py::test_three_clips_of_each_real_one"),
    "backup": ("unmask.backup.backup", "tests/unmask/test_backup.py::test_back_up_wipe_restore"),
    "restore": ("unmask.backup.restore", "tests/unmask/test_backup.py::test_back_up_wipe_restore"),
    "forget": (
        "unmask.forget.run",
        "tests/unmask/test_forget.py::test_everything_of_a_camera_goes_and_nothing_of_another",
    ),
    "enrol": ("unmask.enrol.run", "tests/unmask/test_enrol.py::test_the_whole_command_and_a_worker_that_goes_by_it"),
    "enrol --show": ("unmask.enrol.show", "tests/unmask/test_enrol.py::test_show_and_remove"),
    "enrol --remove": ("unmask.enrol.remove", "tests/unmask/test_enrol.py::test_show_and_remove"),
    "export-feedback": (
        "unmask.feedback.run",
        "tests/unmask/test_feedback.py::test_what_is_written_is_what_training_reads",
    ),
    "train": (
        "unmask.train.run",
        "tests/unmask/test_train.py::test_from_imagenet_weights_and_a_data_set_to_a_checkpoint",
    ),
    "scan": ("unmask.scan.run", "tests/unmask/test_scan.py::test_scan"),
    "convert": ("unmask.convert.run", "tests/unmask/test_convert.py::test_it_says_what_it_wrote"),
    "evaluate": ("unmask.evaluate.command.run", "tests/unmask/evaluate/test_command.py::test_from_a_shell"),
    "evaluate --live": ("unmask.live.run", "tests/unmask/live/test_measure.py::test_the_figures"),
    "watch": ("unmask.subscriber.watch", "tests/e2e/test_demo.py::test_the_demo_alerts_on_the_right_camera"),
    "token": ("unmask.users.run", "tests/unmask/test_users.py::test_the_printed_lines_let_the_printed_token_in"),
    "notify-test": ("unmask.notify.run", "tests/unmask/test_notify.py::test_one_line_each_and_a_failure_counts"),
    "discover": (
        "unmask.discover.command.run",
        "tests/unmask/discover/test_command.py::test_json_is_one_object_and_nothing_else",
    ),
    "bench worker": (
        "unmask.bench.worker.run",
        "tests/unmask/bench/test_worker.py::test_a_worker_is_measured_against_its_own_backend",
    ),
    "bench cameras": ("unmask.bench.cameras.run", "tests/unmask/bench/test_cameras.py::test_one_camera_is_carried"),
    "bench overload": (
        "unmask.bench.overload.run",
        "tests/unmask/bench/test_overload.py::test_every_window_of_a_flood_is_accounted_for",
    ),
    "bench fleet": (
        "unmask.bench.fleet.run",
        "tests/unmask/bench/test_fleet.py::test_windows_go_the_whole_way_and_every_part_is_read",
    ),
    "bench soak": ("unmask.bench.soak.course.run", "tests/unmask/bench/soak/test_course.py::test_a_short_soak"),
    "bench dashboard": (
        "unmask.bench.dashboard.run",
        "tests/unmask/bench/test_dashboard.py::test_a_hundred_subscribers_get_every_event",
    ),
}
AT_ONCE = {"schema", "man", "--help", "--version", "--install-completion"}
GROUPS = {"data", "bench"}
MEANT = {"ROLE": "viewer", "N": "8", "FILE...": "FILE"}  # what a reader puts in the place of a word


def words(command: Command) -> tuple[str, ...]:
    """As somebody types it who takes every option that the page offers."""
    found = (one.strip("[]") if "[MW]" not in one else one for one in command.words[1:])
    return tuple(MEANT.get(one, one) for one in found if one not in {"", "..."})


def typed() -> Iterator[Command]:
    """All of the product's own, in blocks and between backticks."""
    for page in PAGES:
        for command in commands(ROOT, page):
            if command.words[0].removeprefix("./").removeprefix(".venv/bin/") == "unmask" and len(words(command)):
                yield command


@cache
def distinct() -> dict[tuple[str, ...], Command]:
    return {line: one for one in typed() if (line := words(one)) not in {(group,) for group in GROUPS}}


def name(line: tuple[str, ...]) -> str:
    """The command, with the option that sends it elsewhere."""
    command = " ".join(line[: 2 if line[0] in GROUPS else 1])
    return next((f"{command} {one}" for one in line if f"{command} {one}" in LEADS_TO), command)


Call = tuple[str, tuple[Any, ...], dict[str, Any]]


class Instead(ModuleType):
    """Stands in a module's place, so that nothing heavy is imported: what is called in it is noted."""

    def __init__(self, name: str, calls: list[Call]) -> None:
        super().__init__(name)
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def noted(*arguments: Any, **named: Any) -> Any:
            call = (f"{self.__name__}.{name}", arguments, named)
            if call[0] not in PLACES:
                return call  # options in a class of their own
            self._calls.append(call)
            return 0

        return noted


PLACES = {place for place, _ in LEADS_TO.values()}
MODULES = {place.rsplit(".", 1)[0] for place in PLACES} | {"unmask.allocator", "unmask.bench.fleet_step"}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Call]:
    """What was to be done, by name and with its arguments; nothing of it is done. mypy knows whether they fit."""
    found: list[Call] = []
    for module in MODULES:
        parent, _, last = module.rpartition(".")
        instead = Instead(module, found)
        monkeypatch.setitem(sys.modules, module, instead)
        monkeypatch.setattr(import_module(parent), last, instead, raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")  # a service of its own asks for one
    monkeypatch.delenv("UNMASK_DASHBOARD__TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    return found


def begin(line: Sequence[str]) -> int:
    """The exit code."""
    try:
        return int(command_line().main(list(line), prog_name="unmask", standalone_mode=False) or 0)
    except SystemExit as ended:
        return int(ended.code or 0)
    except Exception as error:  # click's of usage, which typer may bring along as its own
        if getattr(error, "exit_code", None) != 2:
            raise
        return 2


def test_each_arrives_with_what_was_typed(calls: list[Call]) -> None:
    for line, command in distinct().items():
        if line[0] in AT_ONCE or (command.inline and len(line) == (2 if line[0] in GROUPS else 1)):
            continue
        code = begin(line)
        if command.inline and code == 2:
            continue  # named by one of its options: told of, not to be typed
        assert code == 0, command
        [called] = calls
        place, *arguments = called
        assert place == LEADS_TO[name(line)][0], command
        text = re.sub(r"\s", "", repr(arguments))
        for word in line[len(name(line).split()) :]:
            assert word.startswith("-") or word in text or f"{word}.0" in text, f"{command}: {word} is lost"
        calls.clear()
        for flag in (one for one in line if one.startswith("--") and one in flags(name(line))):
            begin([one for one in line if one != flag])
            assert calls != [called], f"{command}: {flag} changes nothing"
            calls.clear()


def flags(command: str) -> set[str]:
    """Its options that have no value."""
    found: Any = command_line()
    for word in (one for one in command.split() if not one.startswith("-")):
        found = found.commands[word]
    return {option for one in found.params if getattr(one, "is_flag", False) for option in one.opts}


def test_every_command_of_the_pages_is_known_and_every_one_of_ours_is_on_a_page() -> None:
    named = {name(line) for line in distinct()} - AT_ONCE
    assert named == set(LEADS_TO)


def test_what_is_done_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(shellingham, "detect_shell", lambda *_: ("bash", "/bin/bash"))
    said = {}
    for word in AT_ONCE:
        assert (word,) in distinct()
        assert begin([word]) == 0
        said[word.lstrip("-")] = capsys.readouterr().out
    assert json.loads(said["schema"])["title"] == "unmask.yaml"
    assert said["man"].startswith(".TH UNMASK 1")
    assert said["version"].startswith("unmask ")
    assert "watch" in said["help"]
    assert list(tmp_path.rglob("unmask.sh")), said["install-completion"]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


@pytest.mark.parametrize("command", LEADS_TO)
def test_its_work_is_done_by_a_test(command: str) -> None:
    place, test = LEADS_TO[command]
    path, function = test.split("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert function in functions(ROOT / path), test
    strings = {one.value for one in ast.walk(tree) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    imported = {
        f"{one.module}.{alias.name}" for one in ast.walk(tree) if isinstance(one, ast.ImportFrom) for alias in one.names
    }
    module, work = place.rsplit(".", 1)
    file = ROOT / module.replace(".", "/")
    assert work in functions(file / "__init__.py" if file.is_dir() else file.with_suffix(".py")), place
    called = imported & {place, module} or any(one.startswith(f"{module}.") for one in imported)
    assert called or command.split()[0] in strings, "it neither types the command nor calls what does its work"
