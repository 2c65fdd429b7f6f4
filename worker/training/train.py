"""The training loop: pairs in, an average of the weights out. Resumable after a kill, paused by a file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import msgspec
import torch
from rich.progress import Progress
from torch import nn

from wire.errors import ServiceError, UsageError
from worker.model import Detector
from worker.preprocess import normalise
from worker.training import state
from worker.training.measure import probe_pairs
from worker.training.net import TrainingNet, load_imagenet, losses, native_bf16
from worker.training.quick import Quick
from worker.training.recipe import Recipe
from worker.training.sampler import Batch, Sampler
from worker.training.state import STATE
from worker.training.store import Pack

SAVE_EVERY_S = 120.0
NOTE_EVERY = 50  # steps
PROBED = 8  # batches before an evaluation that the shortcut probe looks at
LOG, PAUSE = "log.jsonl", "PAUSE"


class Run:
    """A training run in a folder: `state.pt`, `log.jsonl`, and `PAUSE`, which holds it for as long as it exists."""

    def __init__(self, folder: Path, recipe: Recipe, device: torch.device) -> None:
        self.folder, self.recipe, self.device, self.step = folder, recipe, device, 0
        self.data = ""  # digest of the rows trained on
        torch.manual_seed(recipe.seed)
        net = TrainingNet(recipe.model)
        if recipe.init == "imagenet" and not (folder / STATE).exists():
            load_imagenet(net.detector)
        self.net = net.to(device).to(memory_format=torch.channels_last)
        self.ema = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        weights = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.lr)
        self.half = recipe.precision == "bf16" or (recipe.precision == "auto" and native_bf16(device))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder} can't be made ({error.strerror})", "name another folder with --run") from error

    @property
    def passes(self) -> int:
        """Images seen."""
        return self.step * self.recipe.batch

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step on a batch; the losses."""
        self.net.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        pixels = normalise(batch.images, self.recipe.model)
        images = pixels.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        labels, masks = (torch.from_numpy(part).to(self.device) for part in (batch.labels, batch.masks))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits, maps = self.net(images)
        parts = losses(logits.float(), maps.float(), labels, masks, self.recipe)
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
        """The detector with the averaged weights, on the CPU, ready to evaluate."""
        prefix = "detector."
        detector = Detector(self.recipe.model)
        state = {name.removeprefix(prefix): value for name, value in self.ema.items() if name.startswith(prefix)}
        detector.load_state_dict(state)
        return detector.to(memory_format=torch.channels_last).eval()

    def save(self) -> None:
        """Writes the state so that a kill at any moment leaves the old one or the new one, whole.

        Raises CheckpointError, and leaves the old one, where the disk does not take it.
        """
        parts = {"net": self.net.state_dict(), "ema": self.ema, "optimizer": self.optimizer.state_dict(),
                 "step": self.step, "data": self.data, "recipe": msgspec.json.encode(self.recipe).decode()}  # fmt: skip
        state.write(self.folder / STATE, parts)

    def resume(self) -> bool:
        """Loads the folder's state; False when there is none. Raises UsageError when it is another model's, and
        CheckpointError when it is damaged."""
        path = self.folder / STATE
        if not path.exists():
            return False
        self.load(path, state.read(path, self.device))
        return True

    def load(self, path: Path, parts: state.State) -> None:
        """What was read from `path`. Raises as `resume`."""
        try:
            self.net.load_state_dict(parts["net"])
        except RuntimeError as error:
            raise UsageError(
                f"run {self.folder} trains another model than the recipe's", "name another --run"
            ) from error
        try:
            self.optimizer.load_state_dict(parts["optimizer"])
        except (KeyError, TypeError, ValueError) as error:
            raise state.damaged(path) from error
        self.ema, self.step = parts["ema"], parts["step"]

    def note(self, **facts: object) -> None:
        """Appends one line to the run's log. Raises CheckpointError where the disk does not take it."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "step": self.step, "passes": self.passes, **facts}
        path = self.folder / LOG
        try:
            with path.open("a") as log:
                log.write(json.dumps(line) + "\n")
        except OSError as error:
            raise state.unwritable(path, error) from error


def pick_device(wanted: str) -> torch.device:
    """`auto`, `cpu` or `cuda`. Raises ServiceError where CUDA is asked for and there is none."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ServiceError("no CUDA device is found", "train with --device cpu or auto")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def batches(sampler: Sampler, recipe: Recipe, start: int, workers: int) -> Iterator[Batch]:
    """Endless batches from step `start`, made ahead of the network by `workers` threads, the same for any number."""
    with ThreadPoolExecutor(workers) as pool:
        ahead: list[Future[Batch]] = []
        step = start
        try:
            while True:
                while len(ahead) < workers + 2:
                    ahead.append(pool.submit(sampler.batch, recipe.pairs, recipe.seed, step))
                    step += 1
                yield ahead.pop(0).result()
        finally:
            for late in ahead:
                late.cancel()


class Means:
    """Losses and speed between two notes."""

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self._sums: dict[str, float] = {}
        self._count, self._began = 0, time.monotonic()

    def add(self, parts: dict[str, float]) -> None:
        """The losses of one step."""
        self._count += 1
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def read(self, batch: int) -> dict[str, float]:
        """Images per second and mean losses since the last call; starts anew."""
        speed = self._count * batch / max(1e-9, time.monotonic() - self._began)
        means = {name: round(value / max(1, self._count), 4) for name, value in self._sums.items()}
        self._restart()
        return {"images_per_s": round(speed, 1), **means}


def train(
    packs: Sequence[Pack],
    folder: Path,
    recipe: Recipe,
    *,
    device: str = "auto",
    threads: int = 0,
    workers: int = 1,
    evaluate_every: int = 250,
    stop: Callable[[], bool] = lambda: False,
    watch: Callable[[int, dict[str, float]], None] = lambda step, facts: None,
) -> Run:
    """Trains to the recipe's end, from the folder's state where there is one.

    `stop` is asked before every step; when it says so the state is written and the run returned. `watch` gets every
    noted step with its figures. Raises UsageError where the packs hold nothing to train on, CheckpointError where the
    state is damaged or can't be written.
    """
    if threads:
        torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    try:
        sampler = Sampler(packs, recipe.mixture, recipe.model.input_size)
    except ValueError as error:
        raise UsageError(str(error), "see 'unmask data index' and 'unmask data faces'") from error
    run, quick = Run(folder, recipe, pick_device(device)), Quick(packs)
    run.data = "-".join(pack.digest() for pack in packs)
    run.note(event="resumed" if run.resume() else "started", recipe=msgspec.to_builtins(recipe))
    means, recent, saved = Means(), list[Batch](), time.monotonic()
    with Progress() as progress:
        bar = progress.add_task("training", total=recipe.steps, completed=run.step)
        for batch in batches(sampler, recipe, run.step, workers):
            while (folder / PAUSE).exists() and not stop():
                time.sleep(1)
            if run.step >= recipe.steps or stop():
                break
            means.add(run.train_step(batch))
            if run.step % evaluate_every >= evaluate_every - PROBED:
                recent.append(batch)
            progress.update(bar, completed=run.step)
            facts: dict[str, float] = {}
            if run.step % NOTE_EVERY == 0:
                facts = means.read(recipe.batch)
            if run.step % evaluate_every == 0 or run.step == recipe.steps:
                facts |= {**quick.figures(run.averaged()), "probe": round(probe_pairs(recent or [batch]).value, 4)}
                recent.clear()
            if facts:
                run.note(**facts)
                watch(run.step, facts)
            if time.monotonic() - saved > SAVE_EVERY_S:
                run.save()
                saved = time.monotonic()
    run.save()
    return run
