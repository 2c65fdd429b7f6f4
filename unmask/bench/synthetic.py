"""A worker whose network is made up, for what is around the network: `python -m unmask.bench.synthetic --config FILE`.

The queue, the caches, the ledger, the alerts, the ticks and the heartbeat are the worker's own; no crop is decoded and
nothing is encoded. A frame's feature says whether its camera shows a fake, and a window's logit is their mean: so what
comes back out of the cache decides what alerts there are. Its first line says the checkpoint's name and the length of
a feature.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from unmask.bench import fakes
from wire import settings
from wire.messages import Window
from wire.settings import Settings, WorkerSettings
from worker import service
from worker.backend import Half, Mask, Single
from worker.encoding import Encoding
from worker.features import Feature, FrameId, unique_ids
from worker.model import Detector
from worker.preprocess import Pixels
from worker.scorer import Scorer


class MadeUp:
    """A backend that only hands through what the features say. Its pictures (of explanations) are all real."""

    name, chunk, lanes, aside = "made up", 16, 1, None

    def __init__(self, dim: int) -> None:
        self._dim = dim

    def encode(self, images: Pixels) -> Half:
        """See Backend."""
        return np.full((len(images), self._dim), -fakes.SURE, np.float16)

    def head(self, features: Half, mask: Mask) -> Single:
        """See Backend: the mean of what the frames say."""
        said = np.where(mask, features[:, :, 0], 0).astype(np.float32)
        mean: Single = said.sum(axis=1) / mask.sum(axis=1)
        return mean


class Synthetic(Scorer):
    """The checkpoint's name, sizes and thresholds, and nothing of its network."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, engine=_made_up)

    def start(self, windows: Sequence[Window], known: Mapping[FrameId, Feature], behind: bool = False) -> Encoding:
        """See Scorer; done at once."""
        new = [name for name in unique_ids(windows) if name not in known]
        done: Future[dict[FrameId, Feature]] = Future()
        done.set_result({name: self._feature(fakes.logit(name[0])) for name in new})
        return Encoding(dict.fromkeys(new, done), new, lambda _: None)

    def _feature(self, logit: float) -> Feature:
        return np.full(self.config.feature_dim, logit, np.float16)


def _made_up(model: Detector, _settings: WorkerSettings) -> MadeUp:
    return MadeUp(model.config.feature_dim)


def main() -> None:
    """Until a signal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    loaded = settings.load(parser.parse_args().config)
    scorer = Synthetic(loaded)
    sys.stdout.write(json.dumps({"model": scorer.model, "dim": scorer.config.feature_dim}) + "\n")
    sys.stdout.flush()
    service.run(loaded, scorer)


if __name__ == "__main__":
    main()
