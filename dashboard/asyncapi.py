"""AsyncAPI 3.0 of `/ws/v1`, generated from the messages' types."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, get_args

import msgspec

from dashboard import protocol
from dashboard.protocol import ClientMessage, ErrorCode, ServerMessage

CLOSE_CODES = {
    1009: "A message is larger than 64 KiB",
    1011: "No answer to a WebSocket ping within 60 seconds: come back with the cursor",
    1012: "The dashboard is stopping: come back with the cursor",
    protocol.CLOSE_BAD_HELLO: "The first message was no hello",
    protocol.CLOSE_TRY_LATER: "Redis can't be asked whether the page has signed in: come back with the cursor",
    protocol.CLOSE_UNAUTHORISED: "The token is missing or wrong, or the login of the page has ended",
    protocol.CLOSE_TOO_MANY_ATTEMPTS: "Too many tokens from this address, or of this user, were wrong: come back later",
    protocol.CLOSE_VERSION: "The server does not speak this version",
    protocol.CLOSE_HELLO_TIMEOUT: "No hello in time",
    protocol.CLOSE_TOO_MANY_ERRORS: "Too many errors",
    protocol.CLOSE_TOO_MUCH: "Too many messages",
    protocol.CLOSE_TOO_SLOW: "The client's buffers stayed full for 10 seconds: come back with the cursor",
}
ADDRESS = "/ws/v1"
_REF = "#/components/schemas/{name}"


@cache
def asyncapi() -> dict[str, Any]:
    """The whole document, as plain JSON types."""
    sent, received = get_args(ClientMessage), get_args(ServerMessage)
    _, schemas = msgspec.json.schema_components([*sent, *received], ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Unmask",
            "version": str(protocol.VERSION),
            "description": (
                "Alerts, scores and camera states of a real-time deepfake monitor, resumable by cursor. The client "
                "speaks first (hello), the server answers (welcome), then the client subscribes. Times are Unix "
                "seconds. Clients must pass over types and fields they do not know; see docs/protocol.md for examples."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "subscription": {
                "address": ADDRESS,
                "description": "One WebSocket; texts, one message each.",
                "messages": {
                    _tag(kind): {"$ref": f"#/components/messages/{_tag(kind)}"} for kind in (*sent, *received)
                },
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
                "x-close-codes": {str(code): words for code, words in CLOSE_CODES.items()},
                "x-error-codes": list(get_args(ErrorCode)),
                "x-limits": {
                    "message-bytes": protocol.MAX_MESSAGE_BYTES,
                    "errors": protocol.MAX_ERRORS,
                    "subscriptions": protocol.MAX_SUBSCRIPTIONS,
                },
            }
        },
        "operations": {
            "send": _operation("receive", sent, "What clients send."),
            "receive": _operation("send", received, "What the server sends."),
        },
        "components": {
            "messages": {_tag(kind): _message(kind) for kind in (*sent, *received)},
            "schemas": _draft7(dict(sorted(schemas.items()))),
        },
    }


def _operation(action: str, kinds: tuple[type, ...], summary: str) -> dict[str, Any]:
    """AsyncAPI's actions are the application's, which here is the server."""
    channel = "#/channels/subscription"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": summary,
        "messages": [{"$ref": f"{channel}/messages/{_tag(kind)}"} for kind in kinds],
    }


def _message(kind: type) -> dict[str, Any]:
    about = " ".join((inspect.getdoc(kind) or "").split())
    return {"name": _tag(kind), "summary": about, "payload": {"$ref": _REF.format(name=kind.__name__)}}


def _draft7(schema: Any) -> Any:
    """A schema of msgspec's (JSON Schema 2020-12) in AsyncAPI's dialect, draft 7, where a tuple is a list of `items`.

    As they are, a box's `"items": false` would forbid every number in it.
    """
    if isinstance(schema, list | tuple):
        return [_draft7(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _draft7(value) for key, value in schema.items()}
    if "prefixItems" in made:
        made["items"], made["additionalItems"] = made.pop("prefixItems"), False
    return made


def _tag(kind: type) -> str:
    tag: str = kind.__struct_config__.tag  # type: ignore[attr-defined]
    return tag
