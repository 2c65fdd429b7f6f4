"""What is wrong with a configuration, in one line, without the value."""

from __future__ import annotations

import difflib
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from wire.errors import ConfigError
from wire.settings.whole import Settings


def explained(source: str, error: ValidationError) -> ConfigError:
    """The first problem, with the nearest known key where the key is unknown; the offending value is never shown."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        remedy = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return ConfigError(source, where, "unknown key", remedy)
    problem = first["msg"].removeprefix("Value error, ")
    return ConfigError(source, where, problem, "correct it; unmask.example.yaml shows every key with its default")


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = Settings
    for part in loc:
        model = get_args(model)[1] if get_origin(model) is dict else model.model_fields[str(part)].annotation
    return ["<name>"] if get_origin(model) is dict else sorted(model.model_fields)
