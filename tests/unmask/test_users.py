"""`unmask token`: what it prints is what the dashboard takes."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from dashboard.access import hashing
from dashboard.access.users import configured
from dashboard.config import DashboardConfig
from dashboard.service import gate_of
from tests.support import forks
from wire.settings import load


def made(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return forks.run(["token", *arguments], Path.cwd(), os.environ, typed)


def test_the_printed_lines_let_the_printed_token_in(tmp_path: Path) -> None:
    done = made("anna", "--role", "viewer", "--camera", "lobby-*", "--camera", "door")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "unmask.yaml"
    path.write_text(done.stdout)  # all of it: the token stands in a comment
    token = re.search(r"# (anna~\S+)", done.stdout)
    assert token
    assert len(token[1]) >= 43
    access = configured(load(path).dashboard)
    nothing: object = None
    gate = gate_of(DashboardConfig(redis_url="", access=access), nothing, nothing)  # type: ignore[arg-type]
    who = asyncio.run(gate._whose("anna", token[1].partition("~")[2], token[1]))
    assert who == "anna"
    assert access.users["anna"].principal.cameras == ("lobby-*", "door")
    assert token[1].partition("~")[2] not in yaml.safe_dump(yaml.safe_load(done.stdout))


def test_a_password_is_asked_for_and_not_printed() -> None:
    done = made("otto", "--role", "operator", "--password", typed="a long password\n")
    assert "a long password" not in done.stdout + done.stderr
    user = yaml.safe_load(done.stdout)["dashboard"]["users"]["otto"]
    assert user["role"] == "operator"
    assert hashing.matches(user["hash"], "a long password")


@pytest.mark.parametrize(
    ("arguments", "typed", "words"),
    [(("token", "--role", "admin"), "", "user's name"), (("a~b", "--role", "admin"), "", "user's name"),
     (("a", "--role", "admin", "--password"), "short\n", "characters")],
)  # fmt: skip
def test_what_can_not_be_is_one_line(arguments: tuple[str, ...], typed: str, words: str) -> None:
    done = made(*arguments, typed=typed)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
