from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from dashboard import protocol, sender, service, transport
from dashboard.asyncapi import CLOSE_CODES
from dashboard.protocol import decode_client, decode_server

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json (client|server)\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("side", "text"), EXAMPLES)
def test_examples_are_messages(side: str, text: str) -> None:
    assert (decode_client(text) if side == "client" else decode_server(text)) is not None


def test_every_message_has_an_example() -> None:
    shown = {type(decode_client(text) if side == "client" else decode_server(text)) for side, text in EXAMPLES}
    assert shown == {*get_args(protocol.ClientMessage), *get_args(protocol.ServerMessage)}


def test_every_error_and_close_code_is_documented() -> None:
    for code in get_args(protocol.ErrorCode):
        assert f"`{code}`" in TEXT, code
    for name, code in vars(protocol).items():
        if name.startswith("CLOSE_"):
            assert f"| {code} |" in TEXT, name
    for code in CLOSE_CODES:
        assert f"| {code} |" in TEXT, code


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"{transport.HIGH_WATER // 1024} KiB and one message" in TEXT
    assert f"{2 * transport.SEND_BUFFER // 1024} KiB in the kernel" in TEXT
    assert f"newest of {sender.MAX_TRACKS:,} tracks" in TEXT
    assert f"within {service.PING_TIMEOUT_S:.0f} seconds" in TEXT
