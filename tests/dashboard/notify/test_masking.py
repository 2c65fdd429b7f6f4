"""What a library says, without the url it was given."""

from __future__ import annotations

import pytest

from dashboard.notify.masking import mask


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("Failed to send: 403 for T0KEN1", "slack://T0KEN1/B0KEN2/C0KEN3", "Failed to send: 403 for ***"),
        ("login of Night@mail.example failed.", "mailto://night:pa%40ss@mail.example", "login of ***@*** failed"),
        ("the password pa@ssword is wrong", "mailto://night:pa%40ssword@mail.example", "the password *** is wrong"),
        ("two\n lines", "json://host", "two lines"),
        ("to https://user:pw@elsewhere/x", "json://host", "to https://***@elsewhere/x"),
        ("json took too long", "json://host", "json took too long"),
    ],
)
def test_mask(text: str, url: str, shown: str) -> None:
    assert mask(text, url) == shown
