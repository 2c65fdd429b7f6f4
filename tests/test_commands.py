"""Every command in README and the guides exists, with every option it is given; what ends at once is run for real."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from tests.support.commands import Command, commands, scripts, split
from tests.support.compose import scaled
from unmask.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for place in ("*.md", "docs/**/*.md", "examples/*/*.md") for page in ROOT.glob(place))
FOUND = [command for page in PAGES for command in commands(ROOT, page)]


class Wrong(Exception):
    """The command can't be typed as it stands."""


@cache
def command_line() -> Any:
    """Made once: it takes a sixth of a second."""
    return get_command(app)


def options(command: Any) -> set[str]:
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}


def parse(command: Any, name: str, words: list[str], whole: bool) -> None:
    """Raises Wrong unless `words` are a command, its options and, if `whole`, values that it takes."""
    while hasattr(command, "commands"):
        while words and words[0].startswith("-"):
            given = words.pop(0)
            if given not in options(command):
                raise Wrong(f"{name} has no option {given}")
        if not words:
            return
        name, found = f"{name} {words[0]}", command.commands.get(words[0])
        if found is None:
            raise Wrong(f"{name}: no such command")
        command, words = found, words[1:]
    for given in words:
        if given.startswith("-") and given.split("=")[0] not in options(command):
            raise Wrong(f"{name} has no option {given}")
    if whole and "--help" not in words:
        try:
            command.make_context(name, list(words))
        except Exception as error:  # click's errors, which typer may bring along as its own
            raise Wrong(f"{name}: {getattr(error, 'message', error)}") from error


def ours(command: Command) -> None:
    words = [one.strip("[]") for one in command.words[1:] if one not in {"...", "FILE..."}]
    template = command.inline or any(one.startswith("[") or one == "..." for one in command.words)
    parse(command_line(), "unmask", words, whole=not template)


@cache
def rehearsed(words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """`make -n` says what it would do, and does none of it."""
    return subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def made(command: Command) -> None:
    """The target is there, and so is what it calls of ours."""
    result = rehearsed(command.words[1:])
    variables = {one.split("=")[0] for one in command.words[1:] if "=" in one}
    if result.returncode:
        raise Wrong(result.stderr.strip())
    for line in re.sub(r"\\\n", " ", result.stdout).splitlines():
        typed = re.sub(r"^(\w+=\S* )+", "", line)
        for words in split(typed) if typed.startswith((".venv/bin/unmask ", ".venv/bin/python ")) else ():
            check(Command(f"{command.where}, what {' '.join(command.words)} does:", words, inline=True))
    for name in variables:
        if f"$({name})" not in (ROOT / "Makefile").read_text():
            raise Wrong(f"the Makefile has no variable {name}")


def python(command: Command) -> None:
    words = list(command.words[1:])
    if words[:1] != ["-m"]:
        if words and words[0] != "-c" and not (ROOT / words[0]).is_file():
            raise Wrong(f"no file {words[0]}")
        return
    if words[1] == "pytest":
        return pytested(Command(command.where, tuple(words[1:]), command.inline))
    if not (ROOT / words[1].split(".")[0]).is_dir():
        return  # a tool of Python's own
    path = ROOT / words[1].replace(".", "/")
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        raise Wrong(f"no module {words[1]}")
    text = file.read_text(encoding="utf-8")  # not imported: torch would take longer than all of this
    if text.count("@app.command") > 1 and f"def {words[2]}(" not in text:
        raise Wrong(f"{words[1]} has no command {words[2]}")
    for given in (word for word in words[2:] if word.startswith("-")):
        if f'"{given}"' not in text and f"{given.removeprefix('--').replace('-', '_')}: " not in text:
            raise Wrong(f"{words[1]} has no option {given}")


def pytested(command: Command) -> None:
    for word in command.words[1:]:
        if word.startswith(("tests", "examples")) and not (ROOT / word.split("::")[0]).exists():
            raise Wrong(f"no tests {word}")


def copied(command: Command) -> None:
    if not (ROOT / command.words[1]).is_file():
        raise Wrong(f"no file {command.words[1]}")


def composed(command: Command) -> None:
    words = command.words
    files = [words[at + 1] for at, word in enumerate(words[:-1]) if word == "-f"] or ["docker-compose.yml"]
    if words[1:2] != ("compose",):
        return
    for name in files:
        if not (ROOT / name).is_file():
            raise Wrong(f"no file {name}")
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    profiles = {name for service in services.values() for name in service.get("profiles", [])}
    chosen = {words[at + 1] for at, word in enumerate(words[:-1]) if word == "--profile"}
    if not chosen <= profiles:
        raise Wrong(f"docker-compose.yml has no profile {', '.join(chosen - profiles)}")
    for name in scaled(words):
        wanted = set(services[name].get("profiles", ())) if name in services else {"none"}
        if wanted and not wanted & chosen:
            raise Wrong(f"Compose would say: no such service: {name}")


def brought(command: Command) -> None:
    """What pip is told to bring of us is an extra that pyproject.toml has, or an example."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for word in command.words[1:]:
        if (found := re.fullmatch(r"unmask\[(\w+)\]", word)) and found[1] not in extras:
            raise Wrong(f"unmask has no extra {found[1]}")
        if word.startswith("./") and not (ROOT / word / "pyproject.toml").is_file():
            raise Wrong(f"nothing to install at {word}")


def given(command: Command) -> None:
    """The files of ours that a program is to read are there; tests/deploy runs it on them."""
    for word in command.words[1:]:
        if re.match(r"(deploy|tests)/", word) and not (ROOT / word).exists():
            raise Wrong(f"no file {word}")


@cache
def routes() -> dict[str, set[str]]:
    spec = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    return {path: {verb.upper() for verb in verbs} for path, verbs in spec["paths"].items()}


def curled(command: Command) -> None:
    """Its path and its method stand in docs/openapi.json."""
    words = command.words
    url = next((word for word in words if "localhost:8008/" in word), None)
    verb = words[words.index("-X") + 1] if "-X" in words else "GET"
    if url is None:
        return
    path = urlsplit("http://" + url.removeprefix("http://")).path
    fits = [one for one in routes() if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), path)]
    if not any(verb in routes()[one] for one in fits):
        raise Wrong(f"the API has no {verb} {path}")


CHECKS: dict[str, Callable[[Command], None]] = {
    "unmask": ours, "make": made, "python": python, "python3": python, "pytest": pytested, "cp": copied,
    "docker": composed, "curl": curled, "pip": brought, "promtool": given, "helm": given,
}  # fmt: skip


def check(command: Command) -> None:
    program = command.words[0].removeprefix("./").removeprefix(".venv/bin/")
    if program in CHECKS:
        CHECKS[program](command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_tells_of_commands_that_are_there(page: Path) -> None:
    wrong = []
    for command in commands(ROOT, page):
        try:
            check(command)
        except Wrong as error:
            wrong.append(f"{command}: {error}")
    assert not wrong, "\n".join(wrong)


def test_they_are_found() -> None:
    """Or the tests above would pass by finding nothing."""
    blocks = {" ".join(one.words) for one in FOUND if not one.inline}
    assert {"make demo", "make test", ".venv/bin/unmask check", "cp unmask.example.yaml unmask.yaml"} <= blocks
    assert {one.words[0].removeprefix(".venv/bin/") for one in FOUND} >= CHECKS.keys() - {"python3"}


@pytest.mark.parametrize(
    "typed",
    ["unmask chek", "unmask run --prot 80", "unmask data indx DIR", "unmask token anna --role king", "make dmo",
     "make soak HOURS=1", "cp absent.yaml x", "python scripts/absent.py", "python -m tests.fuzz.drive --input 3",
     "python -m worker.training head --faces F", "docker compose -f absent.yml up", "pytest tests/absent",
     "docker compose up --scale worker=3", "docker compose --profile cpu up --scale wroker=3",
     "pip install 'unmask[onvif]'", "pip install ./examples/absent", "helm install mine deploy/absent",
     "promtool check rules deploy/prometheus/absent.yml",
     "curl localhost:8008/api/v1/absent", "curl -X DELETE localhost:8008/api/v1/alerts", "unmask convert OLD.pt"],
)  # fmt: skip
def test_a_mistake_is_found(typed: str) -> None:
    [words] = split(typed)
    with pytest.raises(Wrong):
        check(Command("here:1", words, inline=False))


def test_the_certificates_of_the_guide_are_made_by_its_lines(tmp_path: Path) -> None:
    [script] = scripts(ROOT / "docs" / "tls.md")
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True, capture_output=True)
    for name in ("dashboard", "redis", "unmask"):
        verify = ["openssl", "verify", "-CAfile", "ca.pem", f"{name}.pem"]
        assert subprocess.run(verify, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.endswith("OK\n")


def test_a_token_is_made_as_the_guide_says() -> None:
    [line] = [one for one in FOUND if not one.inline and one.words[:3] == ("unmask", "token", "anna")]
    result = CliRunner().invoke(app, list(line.words[1:]))
    assert result.exit_code == 0
    assert "- lobby-*" in result.output
