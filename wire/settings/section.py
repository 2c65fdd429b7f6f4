"""What the sections of the configuration are made of: their base, and the kinds of values they share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from wire import environment


class Section(BaseModel):
    """A part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def from_environment(text: str) -> str:
    """`text` with each ${NAME} replaced. Raises ValueError for a name that is not set."""
    return environment.filled_in(text, os.environ)


def _option(given: Any) -> Any:
    if not isinstance(given, bool | int | float | str | SecretStr):
        raise ValueError("is no text, number, true or false")
    return SecretStr(from_environment(given)) if isinstance(given, str) and "${" in given else given


UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
CameraName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
PluginName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Scheme = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]+$")]
Seconds = Annotated[float, Field(gt=0, le=86_400 * 365)]
SecretUrl = Annotated[SecretStr, AfterValidator(lambda secret: SecretStr(from_environment(secret.get_secret_value())))]
Option = Annotated[bool | int | float | str | SecretStr, BeforeValidator(_option)]
"""Of a plugin; what comes from the environment is a secret."""


def plain(options: Mapping[str, Option]) -> dict[str, Any]:
    """A plugin's options as it is given them."""
    return {name: one.get_secret_value() if isinstance(one, SecretStr) else one for name, one in options.items()}
