"""Troubleshooting names every state and reason there is, and quotes what is really printed; the reference is whole."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from wire.messages import CameraStatus

ROOT = Path(__file__).parents[1]
CODE = [path for name in ("wire", "streamer", "worker", "dashboard", "unmask") for path in (ROOT / name).rglob("*.py")]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def section(title: str) -> list[str]:
    """The first cells of the rows of a section's table."""
    text = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    return [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ")][2:]


def test_every_state_of_a_camera_has_a_remedy() -> None:
    named = {cell.strip("`") for cell in section("A camera is offline") + section("A camera is stale")}
    assert set(get_args(CameraStatus)) - {"live"} <= named


def test_every_reason_the_page_shows_has_a_remedy() -> None:
    words = (ROOT / "dashboard" / "static" / "words.js").read_text(encoding="utf-8")
    block = words.split("const WHY = {")[1].split("};")[0]
    why = {one.strip('"') for one in re.findall(r"^  ([\w\"-]+):", block, re.MULTILINE)}
    assert len(why) > 8
    assert all(f"`{one}`" in PAGE for one in why)


def test_the_lines_it_quotes_are_printed() -> None:
    printed = "".join(path.read_text(encoding="utf-8") for path in CODE)
    for title, least in (("It does not start", 30), ("The log says", 40), ("A command refuses", 15)):
        quoted = [one for cell in section(title) for one in re.findall(r"`([^`]+)`", cell)]
        assert len(quoted) >= least
        assert [one for one in quoted if one not in printed] == []


def test_every_line_that_the_services_log_as_a_warning_has_a_remedy() -> None:
    quoted = [one for cell in section("The log says") for one in re.findall(r"`([^`]+)`", cell)]
    said = [
        call.args[0].value
        for path in CODE if path.parent.name != "bench"
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("warning", "error")
        and call.args and isinstance(call.args[0], ast.Constant)
    ]  # fmt: skip
    assert len(said) > 30
    assert [line for line in said if not any(one in line for one in quoted)] == []


def slug(heading: str) -> str:
    """The anchor that GitHub and the site make of it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.lower())
    return re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")


def broken(page: Path) -> list[str]:
    """The page's links within the repository that lead to no file, or to no heading of one."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        if not other.exists():
            found.append(target)
        elif anchor and other.suffix == ".md":
            text = re.sub(r"```.*?```", "", other.read_text(encoding="utf-8"), flags=re.DOTALL)
            if anchor not in {slug(one) for one in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}:
                found.append(target)
    return found


def test_every_table_begins_with_its_head() -> None:
    """A blank line ends a table; what follows it would be shown as text, with its bars."""
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    torn = [
        f"{page.name}: {lines[at][:60]}"
        for page in pages
        for lines in [["", *page.read_text(encoding="utf-8").splitlines(), ""]]
        for at in range(1, len(lines) - 1)
        if lines[at].startswith("| ") and not lines[at - 1].startswith("|") and not re.match(r"\| ?-", lines[at + 1])
    ]
    assert not torn


def test_every_link_leads_somewhere_also_outside_of_the_site() -> None:
    """MkDocs looks at docs/ alone, and takes links that lead out of it for text."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    assert {page.name: found for page in pages if (found := broken(page))} == {}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# A `b`, and c\n")
    (tmp_path / "a.md").write_text("[1](b.md#a-b-and-c) [2](b.md#d) [3](c.md) [4](#here)\n## Here\n```\n# d\n```\n")
    assert broken(tmp_path / "a.md") == ["b.md#d", "c.md"]


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_the_site_has_every_page_of_docs_and_every_spec(name: str) -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert json.loads((ROOT / "docs" / f"{name}.json").read_text(encoding="utf-8"))[name]
    absent = [path.name for path in (ROOT / "docs").glob("*.md") if f" {path.name}\n" not in nav]
    assert absent == [], "name it under nav in mkdocs.yml"
