"""What msgspec says of a question or a message, and what would have been right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

_PLACE = re.compile(r"(.*) - at `\$\.?(.*)`")


@lru_cache
def fields(kind: type[msgspec.Struct]) -> Mapping[str, msgspec.inspect.Type]:
    """The fields of a struct by the name they are sent under."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    return {field.encode_name: field.type for field in info.fields}


def parts(error: Exception) -> tuple[str, str]:
    """What is wrong, in one line, and the place: "" where that is the whole."""
    text = " ".join(str(error).split())
    place = _PLACE.fullmatch(text)
    return (place[1], place[2]) if place else (text, "")


def known(error: Exception, kind: type[msgspec.Struct]) -> str:
    """What is known in the place of a field or a value that is not, to be appended; else ""."""
    problem, place = parts(error)
    if "unknown field" in problem and not place:
        return f"; known here: {', '.join(fields(kind))}"
    if "Invalid enum value" in problem and (field := fields(kind).get(place.partition("[")[0])):
        return f"; known here: {', '.join(_choices(field))}"
    return ""


def _choices(kind: msgspec.inspect.Type) -> list[str]:
    match kind:
        case msgspec.inspect.LiteralType():
            return [str(value) for value in kind.values]
        case msgspec.inspect.Metadata():
            return _choices(kind.type)
        case msgspec.inspect.VarTupleType():
            return _choices(kind.item_type)
        case msgspec.inspect.UnionType():
            return [choice for one in kind.types for choice in _choices(one)]
    return []
