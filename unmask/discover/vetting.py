"""What an answer from the network must be before anything takes it apart. Pure.

Whoever answers may be hostile. A document type is where entities are declared, and with them bombs and files that are
read; deep or countless elements make a parse and the searches in its tree last for minutes.
"""

from __future__ import annotations

from xml.parsers import expat

MAX_BYTES = 1 << 20  # a recorder of 64 channels describes its profiles in about half of it
MAX_DEPTH = 24  # ONVIF's answers have 8 to 10
MAX_ELEMENTS = 50_000


class Refused(ValueError):
    """No answer that is read; str() says why."""


def vetted(data: bytes) -> str:
    """`data` as text, where it is plain XML within the limits. Raises Refused.

    It is read as UTF-8 whatever it says of itself, so that who parses it later sees what was looked at here.
    """
    if len(data) > MAX_BYTES:
        raise Refused(f"longer than {MAX_BYTES} bytes")
    text = data.decode("utf-8", "replace")
    depth = elements = 0

    def start(_name: str, _attributes: object) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > MAX_DEPTH or elements > MAX_ELEMENTS:
            raise Refused(f"more than {MAX_DEPTH} levels or {MAX_ELEMENTS} elements")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        raise Refused("it declares a document type")

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    try:
        parser.Parse(text, True)
    except expat.ExpatError:
        raise Refused("no XML") from None
    return text


def plain(text: str, longest: int = 80) -> str:
    """What a camera says of itself as one short line for a terminal: no control characters, no escape sequences."""
    return " ".join("".join(one if one.isprintable() else " " for one in text[: 4 * longest]).split())[:longest]
