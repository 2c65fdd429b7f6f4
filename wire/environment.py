"""The environment, in which a variable may stand in a file: where NAME is not set, NAME_FILE names one that holds it.

So a secret never needs to be in a process's environment, where every child and `docker inspect` see it. It holds for
whatever Unmask reads: `UNMASK_*`, `REDIS_URL`, and the `${NAME}` of the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

SUFFIX = "_FILE"
MAX_BYTES = 65_536  # a secret is shorter; a device or a log named by mistake is not read to its end


def value(name: str, environ: Mapping[str, str]) -> str | None:
    """What `name` is set to, by itself or by a file; None where it is not.

    Raises ValueError, without the content, for a file that can't be read, is no UTF-8 text or is too long, and where
    both are set to something.
    """
    given, path = environ.get(name), environ.get(name + SUFFIX)
    if not path:
        return given
    if given:
        raise ValueError(f"both {name} and {name}{SUFFIX} are set")
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise ValueError(f"{name}{SUFFIX}: {path} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name}{SUFFIX}: {path} is no UTF-8 text") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"{name}{SUFFIX}: {path} is longer than {MAX_BYTES} bytes")
    return text.rstrip("\r\n")  # an editor ends a line


def variables(prefix: str, environ: Mapping[str, str]) -> dict[str, str]:
    """All variables that begin with `prefix`, those in files included, by name. Raises ValueError as `value` does."""
    names = {name.removesuffix(SUFFIX) for name in environ if name.upper().startswith(prefix)}
    return {name: found for name in names if (found := value(name, environ)) is not None}


def filled_in(text: str, environ: Mapping[str, str]) -> str:
    """`text` with each ${NAME} replaced. Raises ValueError for a name that is not set, and as `value` does."""

    def one(match: re.Match[str]) -> str:
        found = value(match[1], environ)
        if found is None:
            raise ValueError(f"the environment has no variable {match[1]}")
        return found

    return re.sub(r"\$\{(\w+)\}", one, text)
