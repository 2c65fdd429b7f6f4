"""The recipe: one YAML file that decides a training run, besides the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from wire.errors import UsageError
from worker.model import EDGE, ModelConfig
from worker.training.sampler import Mixture

Precision = Literal["auto", "bf16", "fp32"]
Init = Literal["random", "imagenet"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides a run, besides the data. Whatever a file leaves out keeps the value it has here."""

    model: ModelConfig = EDGE
    mixture: Mixture = Mixture()
    init: Init = "random"
    passes: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000  # images through forward and backward until the end
    pairs: Annotated[int, msgspec.Meta(ge=1)] = 32  # per batch: half the images
    lr: float = 7e-4  # twice that was too much for batches of 64
    warmup: int = 300  # steps
    cooldown: float = 0.3  # share of the passes at the end over which the rate falls to nothing
    weight_decay: float = 0.05
    rank_weight: float = 0.5
    mask_weight: float = 0.5
    ema: float = 0.998
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    precision: Precision = "auto"  # bf16 where the device multiplies it natively

    @property
    def batch(self) -> int:
        """Images in a batch."""
        return 2 * self.pairs

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return max(1, self.passes // self.batch)

    def rate(self, step: int) -> float:
        """The learning rate of `step`: rises over the warm-up, stays, falls linearly to zero over the cool-down.

        As good as a cosine, and the end can be moved while the run is under way: Hägele et al., "Scaling Laws and
        Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024.
        """
        up = (step + 1) / max(1, self.warmup)
        down = (self.steps - step) / max(1.0, self.cooldown * self.steps)
        return self.lr * min(1.0, up, max(down, 0.0))


def read(path: Path | None) -> Recipe:
    """The recipe in a YAML (or JSON) file; the default one without a file. Raises UsageError, one line."""
    if path is None:
        return Recipe()
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=Recipe)
    except OSError as error:
        raise UsageError(f"recipe {path} can't be read ({error.strerror})", "name a readable YAML file") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"recipe {path}: {error}", "docs/train.md lists every field") from error
