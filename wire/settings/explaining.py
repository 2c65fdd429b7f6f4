"""What is wrong with a configuration, in one line, without the value."""

from __future__ import annotations

import difflib
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from wire.errors import ConfigError
from wire.settings.whole import Settings


def explained(source: str, error: ValidationError) -> ConfigError:
    """An unknown key, with the nearest known one, or the first problem; the offending value is never shown."""
    found = error.errors(include_url=False, include_input=False)
    unknown = (one for one in found if one["type"] == "extra_forbidden")  # which may be why another is missing
    first = next(unknown, found[0])
    where = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        remedy = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return ConfigError(source, where, "unknown key", remedy)
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch" and first["loc"][-1] == "[key]":
        problem = "can't be a name: take up to 64 letters, digits and _ . - with a letter or digit first"
    elif first["type"] in ("dict_type", "model_type"):
        problem = "wants keys of its own, each on a line below it"
    elif first["type"] in ("tuple_type", "list_type"):
        problem = "wants a list, as [a, b]"
    elif first["type"] == "path_type":
        problem = "wants a path"
    return ConfigError(source, where, problem, "correct it; unmask.example.yaml shows every key with its default")


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = Settings
    for part in loc:
        model = get_args(model)[1] if get_origin(model) is dict else model.model_fields[str(part)].annotation
    return ["<name>"] if get_origin(model) is dict else sorted(model.model_fields)
