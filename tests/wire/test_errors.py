"""Every error is one line and has its exit code."""

from __future__ import annotations

import pytest

from wire.errors import (
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
