"""Every error is one line and has its exit code."""

from __future__ import annotations

import pytest

from wire.errors import (
    LONGEST,
    CheckpointError,
    ConfigError,
    ManifestError,
    RedisRefuses,
    RedisUnreachable,
    ServiceError,
    SourceError,
    UnknownScheme,
    UnmaskError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("unmask.yaml", "a.b", "unknown\nkey", "remove it"), 2),
        (ManifestError("m.tsv", "no column\n'file'", "add it"), 2),
        (UnknownScheme("gopher://x"), 2),
        (RedisUnreachable("redis://h", "refused"), 1),
        (RedisRefuses("redis://h", "WRONGPASS invalid username-password pair"), 1),
        (CheckpointError("m.safetensors", "no such file", "give another"), 1),
        (SourceError("not-found", "clip.mp4", "no such file"), 1),
        (ServiceError("a", "b"), 1),
    ],
)
def test_one_line_and_an_exit_code(error: UnmaskError, code: int) -> None:
    assert "\n" not in str(error)
    assert error.remedy.splitlines()[0] in str(error)
    assert error.exit_code == code


def test_what_a_camera_says_of_itself_is_short_and_steers_no_terminal() -> None:
    error = SourceError("forbidden", "http://cam/", "its server points to \x1b]0;owned\x07" + "x" * 60_000 + ":80")
    assert len(error.reason) <= LONGEST
    assert error.reason.startswith("its server points to  ]0;owned xxx")
    assert all(letter.isprintable() for letter in str(error))
    cut = SourceError("failed", "x", "y" * (LONGEST - 20) + " rtsp://alice:hunter22@h/")
    assert "hunter" not in cut.reason
    assert "alice" not in cut.reason
