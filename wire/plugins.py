"""What others write for Unmask: the contracts, and how a plugin is found. `unmask.plugins` is its public name.

A plugin is a Python entry point in one of GROUPS. Being installed enables nothing: only what the configuration names is
looked up, and loaded where it works. A detector and a notifier run in a process of their own (`wire.guest`), a source
in the streamer, confined as the decoders are. docs/plugins.md is the guide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, Protocol

from wire.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["detector", "notifier", "source"]
GROUPS: dict[Kind, str] = {
    "detector": "unmask.detectors",
    "notifier": "unmask.notifiers",
    "source": "unmask.sources",
}
LARGEST = 1 - 1e-6  # of a probability: certainty has no logit


@dataclass(frozen=True, slots=True)
class FaceWindow:
    """One face over a few seconds, all that a detector is given of it."""

    crops: NDArray[np.uint8]  # T x H x W x 3, RGB: squares around the face's centre, oldest first
    times: tuple[float, ...]  # T, seconds since the first of them was taken
    margin: float  # side of a crop over the face box's longer side


class Detector(Protocol):
    """Group `unmask.detectors`: a class, or what makes one; called with the configured options as keywords."""

    def warm_up(self) -> None:
        """Make the first call as fast as the next; the worker is not ready before."""

    def score(self, windows: Sequence[FaceWindow]) -> Sequence[float | None]:
        """For each window the log-odds that its face is synthetic (see `logit`), or None for unsure."""


class Notifier(Protocol):
    """Group `unmask.notifiers`: a class, or what makes one; called with the configured options as keywords."""

    def notify(self, event: dict[str, Any]) -> None:
        """Hand one event over: the `alert` message of `/ws/v1`; of type `test` in a test.

        It may come twice, with the same `cursor`. Raises TryLater, or Refused for one that will never be taken;
        whatever else it raises is taken for TryLater.
        """


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame of a source of one's own."""

    rgb: NDArray[np.uint8]  # H x W x 3, upright
    time: float | None = None  # when it was taken, seconds by any steady clock; None: when it came


class VideoSource(Protocol):
    """What a source's frames come from; everything is called by one thread."""

    def frames(self) -> Iterator[Picture]:
        """Frames until the source ends, which is taken for a lost connection. Each wait must end within 5 seconds.

        Raises TimeoutError where none came by then, other OSErrors, or whatever: the camera says so and reconnects.
        """

    def close(self) -> None:
        """Let go of it."""


class OpensSource(Protocol):
    """Group `unmask.sources`, the entry point's name is the url's scheme: a function, or a class of VideoSource."""

    def __call__(self, url: str, **options: Any) -> VideoSource | str:
        """Connect; or return the url that Unmask is to open, of one of its own schemes. Called for each connection."""


class TryLater(Exception):
    """The receiver did not take it now. `wait_s`: how long it asks to be left alone, if it does."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.wait_s = reason, wait_s


class Refused(Exception):
    """The receiver will never take this one: the next is tried."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def logit(probability: float) -> float:
    """The log-odds of a probability, 0..1: what a detector returns."""
    p = min(max(probability, 1 - LARGEST), LARGEST)
    return math.log(p / (1 - p))


@dataclass(frozen=True, slots=True)
class Plugin:
    """One that is installed and named by the configuration."""

    kind: Kind
    name: str
    distribution: str
    version: str
    entry: EntryPoint

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def load(self) -> Any:
        """Import it. Raises whatever its import raises."""
        return self.entry.load()


def find(kind: Kind, name: str, where: str) -> Plugin:
    """The plugin called `name`, as the setting `where` wants it; nothing of it is imported. Raises ConfigError."""
    installed = entry_points(group=GROUPS[kind])
    found = [entry for entry in installed if entry.name == name]
    if len(found) == 1 and found[0].dist is not None:
        return Plugin(kind, name, found[0].dist.name, found[0].dist.version, found[0])
    if found:
        packages = ", ".join(sorted(entry.dist.name for entry in found if entry.dist))
        raise ConfigError(
            "configuration", where, f"more than one package has a {kind} {name!r}", f"keep one: {packages}"
        )
    others = ", ".join(sorted({entry.name for entry in installed})) or "none"
    remedy = f"install its package into Unmask's environment with pip; installed are: {others}"
    raise ConfigError("configuration", where, f"no installed package has a {kind} {name!r}", remedy)
