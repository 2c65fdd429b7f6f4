"""Reads the YAML file and the environment, once, at the edge."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from wire import environment
from wire.errors import ConfigError
from wire.settings.explaining import explained
from wire.settings.masking import mask
from wire.settings.whole import Settings

DEFAULT_FILE = Path("unmask.yaml")
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_TAB = r"'\t'"  # as PyYAML names it
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_NO_MAPPING = "mapping values are not allowed here"


class _Loader(yaml.SafeLoader):
    """YAML that refuses what would silently be something else: a key given twice, a name that is read as a number."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """See yaml.SafeLoader, by which the last of two equal keys wins: the first camera would not be watched."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            problem = ""
            if key.tag != _TEXT:
                problem = f"the name {key.value[:64]} is no text to YAML: put it in quotes"
            elif line := lines.get(key.value):
                problem = f"{key.value[:64]} is there already, in line {line}: one of the two would be lost"
            if problem:
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            lines[key.value] = key.start_mark.line + 1
        return node


def source(path: Path | None = None) -> Path | None:
    """The file that `load` reads."""
    return path or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def load(path: Path | None = None) -> Settings:
    """Settings from `path`, or from ./unmask.yaml if there is one. Raises ConfigError, one line, secrets left out."""
    path = source(path)
    data = _read(path) if path else {}
    try:
        if url := environment.value("REDIS_URL", os.environ):
            section = data.setdefault("redis", {})
            if isinstance(section, dict):
                section["url"] = url
        settings = Settings(**data)
        mask(settings)
        return settings
    except ValidationError as error:
        raise explained(str(path) if path else "environment", error) from None
    except (ValueError, TypeError) as error:  # a file that can't be read; not JSON where pydantic-settings needs it
        raise ConfigError(
            "environment", "", str(error).splitlines()[0], "correct the UNMASK_ variable, or its file"
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise ConfigError(str(path), "", "no such file", "copy unmask.example.yaml there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "", str(error), "give a readable UTF-8 text file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        raise ConfigError(
            str(path), where, _told(error), "correct the YAML; unmask.example.yaml shows every key"
        ) from None
    except (ValueError, RecursionError) as error:  # a date there is none of; brackets without end
        problem = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
        raise ConfigError(str(path), "", problem, "correct the YAML; unmask.example.yaml shows every key") from None
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(str(path), "", "not a mapping of sections", "see unmask.example.yaml")
    return data


def _told(error: yaml.YAMLError) -> str:
    """What is wrong with the YAML, and from where on, if the line at which it was noticed is another."""
    problem = getattr(error, "problem", None) or "not YAML"
    if problem == _NO_MAPPING:
        problem += ", a ':' is missing in the line before, or one too many in this"
    context, begin = getattr(error, "context", None), getattr(error, "context_mark", None)
    noticed = getattr(error, "problem_mark", None)
    if context and begin and noticed and begin.line < noticed.line:
        problem += f", {context} that begins in line {begin.line + 1}"
    return _QUOTED.sub(_kept, problem.replace(f"character {_TAB}", "a tab"))


def _kept(quoted: re.Match[str]) -> str:
    """A sign, or what YAML calls a part of itself. What else stands in quotes may be a value: an alias, a tag, an
    anchor are what a password's first letter makes it."""
    inner = quoted[1] or quoted[2] or ""
    return quoted[0] if len(inner) < 2 or re.fullmatch("<[a-z ]+>", inner) else "***"
