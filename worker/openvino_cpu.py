"""OpenVINO on the CPU: several times PyTorch's speed, in bf16 where the processor computes in it.

Each lane is a stream of one thread with images of its own: threads that share a batch wait for each other at every
layer (442 against 260 to 420 crops a second on two cores, and less where something else runs).
"""

from __future__ import annotations

import warnings
from queue import SimpleQueue
from typing import Any

import numpy as np
import openvino as ov
import torch
from openvino.preprocess import ColorFormat, PrePostProcessor
from torch import Tensor, nn

from worker.backend import Half, Mask, Single
from worker.model import Detector, ModelConfig
from worker.preprocess import Pixels
from worker.torch_cpu import single

CHUNK = 8  # per lane; 16 gives no more


class OpenVino:
    """The encoder as an OpenVINO model; the head, a thousandth of the work, stays in PyTorch. Raises RuntimeError."""

    chunk = CHUNK

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
        # A fixed batch is some 6 % faster than one of any size, and what a busy worker computes is full chunks.
        self._requests: dict[bool, SimpleQueue[Any]] = {}
        for full, batch in ((True, ov.Dimension(CHUNK)), (False, ov.Dimension(1, CHUNK))):
            encoder.reshape(ov.PartialShape([batch, size, size, 3]))
            compiled = core.compile_model(encoder, "CPU", options)
            self._requests[full] = SimpleQueue()
            for _ in range(threads):
                self._requests[full].put(compiled.create_infer_request())
        self._temporal = model.temporal
        torch.set_num_threads(1)  # for the head; more would take the lanes' processors

    def encode(self, images: Pixels) -> Half:
        """See Backend."""
        free = self._requests[len(images) == self.chunk]
        request = free.get()
        try:
            request.infer([np.ascontiguousarray(images)], share_inputs=True)
            features: Half = request.get_output_tensor().data.copy()
            return features
        finally:
            free.put(request)

    @torch.inference_mode()
    def head(self, features: Half, mask: Mask) -> Single:
        """See Backend."""
        return single(self._temporal(torch.from_numpy(features).float(), torch.from_numpy(mask)))


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

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, S, S) to features (N, D)."""
        return self.model.encode(images)


def convert(model: Detector) -> Any:
    """An ov.Model from Pixels (N, S, S, 3) to float16 features (N, D), normalisation included. Raises RuntimeError."""
    config = model.config
    size = config.input_size
    example = torch.zeros(2, 3, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.trace warns of its own future
        # Unchecked: the check computes all again and imports what takes half a second; tests compare with PyTorch.
        traced = torch.jit.trace(_Encoder(model).eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        encoder = ov.convert_model(traced, example_input=example, input=[-1, 3, size, size])
    return _take_pixels(encoder, config)


def _take_pixels(encoder: Any, config: ModelConfig) -> Any:
    """Put `worker.preprocess.normalise` in front, where it costs next to nothing, and float16 behind."""
    steps = PrePostProcessor(encoder)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(ov.Layout("NCHW"))
    work = steps.input().preprocess().convert_element_type(ov.Type.f32)
    if config.colour == "rgb":
        work = work.convert_color(ColorFormat.RGB)
    work.mean([255 * value for value in config.mean]).scale([255 * value for value in config.std])
    steps.output().tensor().set_element_type(ov.Type.f16)
    return steps.build()
