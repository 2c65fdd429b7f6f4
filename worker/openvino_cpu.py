"""OpenVINO on the CPU: several times PyTorch's speed, in bf16 where the processor computes in it.

Each lane is a stream of one thread with images of its own: threads that share a batch wait for each other at every
layer (442 against 260 to 420 crops a second on two cores, and less where something else runs). Batches have fixed
sizes, since one of any size costs 11 to 18 % more (docs/performance.md): a slice is split into them. What gives way is
computed by threads of a lower priority, a compiled model's own: the kernel takes the processor from them at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino as ov
import torch
from openvino import frontend
from openvino.preprocess import ColorFormat, PrePostProcessor
from torch import Tensor, nn

from wire.ending import interrupts_held
from worker.backend import ASIDE, Half, Mask, Single
from worker.lanes import Lanes, split
from worker.model import RESIDUAL_GAIN, Detector, ModelConfig, Residual, blur_kernel
from worker.preprocess import Pixels
from worker.torch_cpu import single

SIZES = (1, 4, 8)  # of batches; each is a compiled model, and holds its weights
CANT_CONVERT = (
    frontend.GeneralFailure, frontend.InitializationFailure, frontend.NotImplementedFailure,
    frontend.OpConversionFailure, frontend.OpValidationFailure,
)  # fmt: skip
NICER = 10  # a tenth of the processor is left where others want all of it


class OpenVino:
    """The encoder as an OpenVINO model; the head, a thousandth of the work, stays in PyTorch. Raises RuntimeError."""

    chunk = SIZES[-1]

    def __init__(self, model: Detector, threads: int) -> None:
        model = model.eval()
        self.lanes = threads
        core = ov.Core()
        _, precision = processor()
        self.name = f"OpenVINO, {precision}, {threads} threads"
        options = {
            "INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads,
        }  # fmt: skip
        encoder, size = convert(model), model.config.input_size

        def requests(batch: int) -> list[Any]:
            encoder.reshape(ov.PartialShape([batch, size, size, 3]))
            compiled = core.compile_model(encoder, "CPU", options)
            return [compiled.create_infer_request() for _ in range(threads)]

        self._requests: dict[int, Lanes[Any]] = {batch: Lanes(requests(batch)) for batch in SIZES}
        self._aside = Lanes(_giving_way(lambda: requests(ASIDE)))
        self._temporal = model.temporal
        torch.set_num_threads(1)  # for the head; more would take the lanes' processors

    def encode(self, images: Pixels) -> Half:
        """See Backend."""
        sizes = split(len(images), SIZES)
        parts = np.split(np.ascontiguousarray(images), np.cumsum(sizes)[:-1])
        return np.concatenate([self._encode(part) for part in parts])

    def aside(self, images: Pixels) -> Half:
        """See Backend."""
        padded = np.zeros((ASIDE, *images.shape[1:]), np.uint8)
        padded[: len(images)] = images
        with self._aside.lend() as request:
            return _infer(request, padded)[: len(images)]

    def _encode(self, images: Pixels) -> Half:
        """Features of as many images as a batch has."""
        with self._requests[len(images)].lend() as request:
            return _infer(request, images)

    @torch.inference_mode()
    def head(self, features: Half, mask: Mask) -> Single:
        """See Backend."""
        return single(self._temporal(torch.from_numpy(features).float(), torch.from_numpy(mask)))


def _infer(request: Any, images: Pixels) -> Half:
    request.infer([images], share_inputs=True)
    features: Half = request.get_output_tensor().data.copy()
    return features


def _giving_way(make: Callable[[], list[Any]]) -> list[Any]:
    """Requests whose threads have a lower priority; they are those that are there once all of them have run."""
    before = _threads()
    made = make()
    for request in made:
        request.start_async()
    for request in made:
        request.wait()
    for thread in _threads() - before:
        with suppress(OSError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICER)
    return made


def _threads() -> set[int]:
    """Of this process, where they can be told; elsewhere nothing gives way."""
    return {int(one.name) for one in Path("/proc/self/task").iterdir()} if sys.platform == "linux" else set()


def processor() -> tuple[str, str]:
    """The processor's name, and the precision the worker computes in: bf16 or f32. Raises RuntimeError."""
    core = ov.Core()
    precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    return str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip(), precision


class _Encoder(nn.Module):
    """What is converted of a Detector."""

    def __init__(self, model: Detector) -> None:
        super().__init__()
        self.model = model
        residual = isinstance(model.inward, Residual)
        self.inward = _residual(flipped=model.config.colour == "rgb") if residual else model.inward

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, S, S) to features (N, D); with a residual they come in BGR, whatever the model's."""
        return cast(Tensor, self.model.projection(self.model.encoder(self.inward(images))))


def _residual(flipped: bool) -> nn.Conv2d:
    """`worker.model.Residual` as one convolution, which also turns the channels: a twentieth of the network's time less
    than blur, difference and concatenation. Its weights are exact in bf16, so no rounding comes in between."""
    centre = torch.zeros(3, 3)
    centre[1, 1] = 1
    sharp = RESIDUAL_GAIN * (centre - blur_kernel(centre)[0, 0])
    weight = torch.zeros(6, 3, 3, 3)
    for colour in range(3):
        weight[colour, colour], weight[3 + colour, colour] = centre, sharp
    made = nn.Conv2d(3, 6, 3, padding=1, padding_mode="replicate", bias=False)
    made.weight = nn.Parameter(weight.flip(1) if flipped else weight, requires_grad=False)
    return made


def convert(model: Detector) -> Any:
    """An ov.Model from Pixels (N, S, S, 3) to float16 features (N, D), normalisation included. Raises RuntimeError."""
    config = model.config
    size = config.input_size
    example = torch.zeros(2, 3, size, size)
    with interrupts_held(), warnings.catch_warnings():  # a Ctrl-C would be a network that can't be converted
        warnings.simplefilter("ignore")  # torch.jit.trace warns of its own future
        # Unchecked: the check computes all again and imports what takes half a second; tests compare with PyTorch.
        traced = torch.jit.trace(_Encoder(model).eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        try:
            encoder = ov.convert_model(traced, example_input=example, input=[-1, 3, size, size])
        except CANT_CONVERT as error:  # which are no RuntimeError, as others of OpenVINO are
            raise RuntimeError(str(error).rpartition("Summary:")[2].strip()) from error  # before it, places in C++
    return _take_pixels(encoder, config)


def _take_pixels(encoder: Any, config: ModelConfig) -> Any:
    """Put `worker.preprocess.normalise` in front, where it costs next to nothing, and float16 behind."""
    order = -1 if config.colour == "rgb" else 1  # of mean and std; the pixels are BGR
    steps = PrePostProcessor(encoder)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(ov.Layout("NCHW"))
    work = steps.input().preprocess().convert_element_type(ov.Type.f32)
    work.mean([255 * value for value in config.mean[::order]]).scale([255 * value for value in config.std[::order]])
    if config.colour == "rgb" and not config.residual:
        work.convert_color(ColorFormat.RGB)
    steps.output().tensor().set_element_type(ov.Type.f16)
    return steps.build()
