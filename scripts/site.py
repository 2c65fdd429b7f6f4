"""What the site has besides docs/: the API reference made of its specs, the files beside README, the decisions.

MkDocs calls the functions by their names.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
BESIDE = ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the navigation, at its last place."""
    decisions = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert config.nav is not None
    last = next(iter(config.nav[-1].values()))
    last[-1] = {"Decisions": [f"decisions/{name}" for name in decisions]}
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    made = {name: (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](") for name in BESIDE}
    made["reference-rest.md"] = rest(json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")))
    made["reference-websocket.md"] = websocket(
        json.loads((ROOT / "docs" / "asyncapi.json").read_text(encoding="utf-8"))
    )
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link to a file beside README leads to its page here; of one to another file only the text stays."""

    def link(found: re.Match[str]) -> str:
        text, target = found[1], found[2].removeprefix("../")
        return f"[{text}]({target})" if target in BESIDE else text

    return re.sub(r"\[([^\]]+)\]\((\.\./(?!decisions/|[a-z-]+\.md|images/)[^)]+)\)", link, markdown)


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words, with a link where it has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_type(one) for one in schema[key])
    if "enum" in schema:
        return " ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "items" in schema:
        return f"list of {_type(schema['items'])}" if isinstance(schema["items"], dict) else "list"
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _schemas(schemas: dict[str, Any]) -> list[str]:
    """A section for each named type."""
    lines = ["## Types", ""]
    for name, schema in sorted(schemas.items()):
        lines += [f"### {name} {{#{name.lower()}}}", "", schema.get("description", ""), ""]
        if fields := schema.get("properties"):
            needed = schema.get("required", [])
            lines += ["| field | type | |", "| --- | --- | --- |"]
            for field, one in fields.items():
                about = [one.get("description", ""), "always there" if field in needed else ""]
                lines.append(
                    f"| `{field}` | {_cell(_type(one))} | {_cell('; '.join(part for part in about if part))} |"
                )
        else:
            lines.append(_type(schema))
        lines.append("")
    return lines


def rest(spec: dict[str, Any]) -> str:
    """docs/openapi.json as a page."""
    lines = ["# REST reference", "", "Made of [openapi.json](openapi.json); how to use it: [REST](rest.md).", ""]
    for path, verbs in spec["paths"].items():
        for verb, one in verbs.items():
            lines += [f"## {verb.upper()} {path}", "", one.get("description") or one.get("summary", ""), ""]
            if parameters := one.get("parameters"):
                lines += ["| parameter | in | type | |", "| --- | --- | --- | --- |"]
                for given in parameters:
                    kind, about = _cell(_type(given.get("schema", {}))), _cell(given.get("description", ""))
                    lines.append(f"| `{given['name']}` | {given['in']} | {kind} | {about} |")
                lines.append("")
            for media, content in one.get("requestBody", {}).get("content", {}).items():
                lines += [f"Body, `{media}`: {_type(content['schema'])}", ""]
            lines += ["| answer | | |", "| --- | --- | --- |"]
            for code, answer in one["responses"].items():
                kinds = " or ".join(_type(content.get("schema", {})) for content in answer.get("content", {}).values())
                lines.append(f"| {code} | {_cell(answer.get('description', ''))} | {_cell(kinds)} |")
            lines.append("")
    return "\n".join([*lines, *_schemas(spec["components"]["schemas"])])


def websocket(spec: dict[str, Any]) -> str:
    """docs/asyncapi.json as a page."""
    lines = [
        "# WebSocket reference",
        "",
        "Made of [asyncapi.json](asyncapi.json); how to use it: [protocol](protocol.md).",
        "",
    ]
    lines += ["| message | holds | |", "| --- | --- | --- |"]
    for name, one in spec["components"]["messages"].items():
        lines.append(f"| `{name}` | {_cell(_type(one['payload']))} | {_cell(one.get('summary', ''))} |")
    return "\n".join([*lines, "", *_schemas(spec["components"]["schemas"])])
