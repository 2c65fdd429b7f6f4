"""The training loop: pairs in, an average of the weights out. Resumable after a kill, paused by a file.

Loss per batch: binary cross-entropy, a rank loss between the two members of each pair (the artefact must move the
logit more than the person does), and cross-entropy of a coarse map of what was replaced, where that is known.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import msgspec
import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional

from worker.model import EDGE, Detector, ModelConfig
from worker.preprocess import normalise
from worker.training.data import Pack
from worker.training.sampler import MARGINS, UNKNOWN, Batch, Sampler, Shares


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides a run, besides the data."""

    model: ModelConfig = EDGE
    shares: Shares = Shares()
    margins: tuple[float, float] = MARGINS  # of the square the network sees, in units of max(w, h) of the face
    pairs: int = 16  # per batch: half the images
    lr: float = 1e-3
    warmup: int = 150
    weight_decay: float = 0.05
    rank_weight: float = 0.5
    mask_weight: float = 0.5
    ema: float = 0.998
    seed: int = 1


class TrainingNet(nn.Module):
    """The detector on single frames, with a head for the mask on the encoder's third stage; dropped at export."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.detector = Detector(config)
        self.mask = nn.Conv2d(1024, 1, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, S, S) to logits (N) and the logits of the mask (N, S/16, S/16)."""
        net = self.detector.encoder
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))  # (N, 64, S/4, S/4)
        middle = net.layer3(net.layer2(net.layer1(x)))  # (N, 1024, S/16, S/16)
        pooled = net.avgpool(net.layer4(middle)).flatten(1)  # (N, 2048)
        features = self.detector.projection(pooled)  # (N, D)
        return self.detector.head(features.unsqueeze(1)), self.mask(middle).squeeze(1)


def losses(logits: Tensor, maps: Tensor, labels: Tensor, masks: Tensor, recipe: Recipe) -> dict[str, Tensor]:
    """The total and its parts, from logits (2N), maps and masks (2N, M, M) and labels (2N), reals first."""
    pairs = len(logits) // 2
    bce = functional.binary_cross_entropy_with_logits(logits, labels)
    rank = functional.softplus(logits[:pairs] - logits[pairs:]).mean()
    known = (masks != UNKNOWN).float()
    wanted = masks.clamp(min=0)
    cells = functional.binary_cross_entropy_with_logits(maps, wanted, weight=known, reduction="sum")
    mask = cells / known.sum().clamp(min=1)
    total = bce + recipe.rank_weight * rank + recipe.mask_weight * mask
    return {"total": total, "bce": bce, "rank": rank, "mask": mask}


class Run:
    """A training run in a folder: `state.pt`, `log.jsonl`, and `PAUSE`, which stops it for as long as it exists."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder, self.recipe, self.step = folder, recipe, 0
        torch.manual_seed(recipe.seed)
        self.net = TrainingNet(recipe.model).to(memory_format=torch.channels_last)
        self.ema = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        weights = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.lr)
        folder.mkdir(parents=True, exist_ok=True)

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step on a batch; the losses."""
        self.net.train()
        rate = self.recipe.lr * min(1.0, (self.step + 1) / self.recipe.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        images = normalise(batch.images, self.recipe.model).contiguous(memory_format=torch.channels_last)
        logits, maps = self.net(images)
        labels, masks = torch.from_numpy(batch.labels), torch.from_numpy(batch.masks)
        parts = losses(logits, maps, labels, masks, self.recipe)
        self.optimizer.zero_grad(set_to_none=True)
        parts["total"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        self._average()
        return {name: float(value.detach()) for name, value in parts.items()}

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.ema, self.step / (self.step + 20))
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                self.ema[name].lerp_(value, 1 - decay)
            else:
                self.ema[name].copy_(value)

    def averaged(self) -> Detector:
        """The detector with the averaged weights, ready to evaluate."""
        prefix = "detector."
        detector = Detector(self.recipe.model)
        state = {name.removeprefix(prefix): value for name, value in self.ema.items() if name.startswith(prefix)}
        detector.load_state_dict(state)
        return detector.to(memory_format=torch.channels_last).eval()

    def save(self) -> None:
        """Writes the state so that a kill at any moment leaves the old one or the new one, whole."""
        state = {"net": self.net.state_dict(), "ema": self.ema, "optimizer": self.optimizer.state_dict(),
                 "step": self.step, "recipe": msgspec.json.encode(self.recipe).decode()}  # fmt: skip
        partial = self.folder / "state.pt.partial"
        torch.save(state, partial)
        os.replace(partial, self.folder / "state.pt")

    def resume(self) -> bool:
        """Loads the folder's state; False when there is none."""
        path = self.folder / "state.pt"
        if not path.exists():
            return False
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema, self.step = state["ema"], state["step"]
        return True

    def note(self, **facts: object) -> None:
        """Appends one line to the run's log."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "step": self.step, **facts}
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")


def batches(sampler: Sampler, recipe: Recipe, start: int) -> Iterator[Batch]:
    """Endless batches from step `start`, made one thread ahead of the network."""
    with ThreadPoolExecutor(1) as pool:
        ahead: list[Future[Batch]] = []
        step = start
        while True:
            while len(ahead) < 3:
                ahead.append(pool.submit(sampler.batch, recipe.pairs, recipe.seed, step))
                step += 1
            yield ahead.pop(0).result()


def train(
    packs: Path,
    folder: Path,
    recipe: Recipe,
    steps: int,
    evaluate_every: int = 250,
    threads: int = 2,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Trains until step `steps`, from the folder's state where there is one. `packs` holds dfdc, stills and train.

    `stop` is asked before every step; when it says so the state is written and the run returned.
    """
    from worker.training.evaluate import quick  # evaluation imports the run's types

    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    dfdc, stills, clips = (Pack(packs / name) for name in ("dfdc", "stills", "train"))
    run = Run(folder, recipe)
    run.note(event="resumed" if run.resume() else "started", recipe=msgspec.to_builtins(recipe))
    sampler = Sampler(dfdc, stills, clips, recipe.shares, recipe.model.input_size, recipe.margins)
    sums: dict[str, float] = {}
    counted = 0  # steps since the last note
    saved = began = time.monotonic()
    with Progress() as progress:
        bar = progress.add_task("training", total=steps, completed=run.step)
        for batch in batches(sampler, recipe, run.step):
            if run.step >= steps or stop():
                break
            while (folder / "PAUSE").exists() and not stop():
                time.sleep(1)
                began = time.monotonic()
            for name, value in run.train_step(batch).items():
                sums[name] = sums.get(name, 0.0) + value
            counted += 1
            progress.update(bar, completed=run.step)
            if run.step % 50 == 0:
                speed = counted * 2 * recipe.pairs / (time.monotonic() - began)
                means = {name: round(value / counted, 4) for name, value in sums.items()}
                run.note(passes=run.step * 2 * recipe.pairs, images_per_s=round(speed, 1), **means)
                sums, counted, began = {}, 0, time.monotonic()
            if time.monotonic() - saved > 180:
                run.save()
                saved = time.monotonic()
            if run.step % evaluate_every == 0:
                run.note(passes=run.step * 2 * recipe.pairs, **quick(run.averaged(), dfdc, stills))
                began = time.monotonic()
    run.save()
    return run
