"""PyTorch on CUDA: a bf16 encoder as CUDA graphs of a few batch sizes, copies in and out beside the computing.

Every thread that encodes holds a lane: pinned memory and a stream for its copies. All lanes compute on one stream, one
after the other, since a slice fills the device; so one set of graphs with one memory pool serves them all, however many
lanes there are. PyTorch allows graphs to share a pool that read none of each other's output and never run at once.
"""

from __future__ import annotations

import copy
import logging
import threading

import numpy as np
import torch
from torch import Tensor

from worker.backend import Half, Mask, Single, cores
from worker.bf16 import Bf16Encoder
from worker.lanes import Lanes, batch_size, batch_sizes, lane_count
from worker.model import Detector
from worker.preprocess import Pixels

CHUNK = 64  # fills a large GPU at 224 px, and still makes a batch several slices, for as many threads to decode
WARM = 3  # passes before a capture: cuDNN tries its algorithms, libraries take their workspaces

log = logging.getLogger(__name__)


class Lane:
    """What one thread needs for itself: pinned memory on either side, its copy on the device, a stream and events."""

    def __init__(self, most: int, side: int, dim: int, device: torch.device) -> None:
        self.sent = torch.zeros(most, side, side, 3, dtype=torch.uint8, pin_memory=True)
        self.received = torch.zeros(most, dim, dtype=torch.float16, pin_memory=True)
        self.pixels = torch.zeros_like(self.sent, device=device, pin_memory=False)
        self.features = torch.zeros_like(self.received, device=device, pin_memory=False)
        self.stream = _stream(device)
        self.arrived, self.computed, self.returned = _event(), _event(), _event()

    def send(self, images: Pixels) -> None:
        """Start the copy to the device. Rows beyond the images keep what stood there; nobody reads their features."""
        count = len(images)
        self.sent.numpy()[:count] = images
        with torch.cuda.stream(self.stream):
            self.pixels[:count].copy_(self.sent[:count], non_blocking=True)
            self.arrived.record()

    def receive(self, count: int) -> Half:
        """Wait for the first `count` features."""
        with torch.cuda.stream(self.stream):
            self.stream.wait_event(self.computed)
            self.received[:count].copy_(self.features[:count], non_blocking=True)
            self.returned.record()
        self.returned.synchronize()
        found: Half = self.received[:count].numpy().copy()
        return found


class Graph:
    """The encoder on one batch size, captured: replayed, it reads `pixels` and writes `features`, always the same."""

    def __init__(
        self, encoder: Bf16Encoder, pixels: Tensor, pool: torch.cuda._POOL_HANDLE, stream: torch.cuda.Stream
    ) -> None:
        self.pixels = pixels
        for _ in range(WARM):
            encoder(pixels)
        self._graph = torch.cuda.CUDAGraph()
        # thread_local: what another thread does meanwhile, a copy into pinned memory say, spoils nothing.
        with torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            self.features = encoder(pixels)

    def __call__(self, lane: Lane) -> None:
        """Encode a lane's pixels, on the current stream."""
        self.pixels.copy_(lane.pixels[: len(self.pixels)])
        self._graph.replay()
        lane.features[: len(self.pixels)].copy_(self.features)


class TorchCuda:
    """See Backend. The first `encode`, which `warm_up` makes, captures the graphs and takes seconds.

    Where they can't be captured, or with `graphs` False, the same kernels are launched one by one. `encode` takes any
    number of threads; beyond `lanes` they wait for each other. The model passed in is left as it is.
    """

    def __init__(self, model: Detector, chunk: int = CHUNK, graphs: bool = True) -> None:
        config, device = model.config, torch.device("cuda", torch.cuda.current_device())
        self.name = f"PyTorch on cuda ({torch.cuda.get_device_name(device)}), bf16"
        self.chunk, self.lanes, self.aside = chunk, lane_count(cores()), None
        self._device, self._dim, self._sizes = device, config.feature_dim, batch_sizes(chunk)
        self._encoder = Bf16Encoder(model).to(device)
        self._temporal = copy.deepcopy(model.temporal).to(device).eval()
        self._pixels = torch.zeros(chunk, config.input_size, config.input_size, 3, dtype=torch.uint8, device=device)
        self._free = Lanes([Lane(chunk, config.input_size, config.feature_dim, device) for _ in range(self.lanes)])
        self._computing, self._scoring = _stream(device), _stream(device, priority=-1)
        self._graphs: dict[int, Graph] | None = None if graphs else {}
        self._turn = threading.Lock()  # what one slice puts on the computing stream stays together
        torch.cuda.synchronize(device)  # all of the above was written on another stream

    @torch.inference_mode()
    def encode(self, images: Pixels) -> Half:
        """See Backend. Raises ValueError for more than `chunk` images, RuntimeError where CUDA fails."""
        count = len(images)
        if not count:
            return np.empty((0, self._dim), np.float16)
        size = batch_size(count, self._sizes)
        with self._free.lend() as lane:
            lane.send(images)
            with self._turn:
                self._compute(lane, size)
            return lane.receive(count)

    @torch.inference_mode()
    def head(self, features: Half, mask: Mask) -> Single:
        """See Backend; fp32, on a stream that goes before the encoder's. Raises RuntimeError where CUDA fails."""
        with torch.cuda.stream(self._scoring):
            moved = torch.from_numpy(features).to(self._device).float()
            logits: Single = self._temporal(moved, torch.from_numpy(mask).to(self._device)).cpu().numpy()
        return logits

    def _compute(self, lane: Lane, size: int) -> None:
        """Put the encoding of a lane's first `size` rows on the computing stream."""
        if self._graphs is None:
            self._graphs = self._capture()
        graph = self._graphs.get(size)
        with torch.cuda.stream(self._computing):
            self._computing.wait_event(lane.arrived)
            if graph:
                graph(lane)
            else:
                lane.features[:size].copy_(self._encoder(lane.pixels[:size]))
            lane.computed.record()

    def _capture(self) -> dict[int, Graph]:
        """A graph by batch size, the largest first, so that the others find their memory in its pool; {} on failure."""
        pool, graphs = torch.cuda.graph_pool_handle(), dict[int, Graph]()
        torch.backends.cudnn.benchmark = True
        try:
            with torch.cuda.stream(self._computing):  # restores the thread's stream where a capture ends badly
                for size in reversed(self._sizes):
                    graphs[size] = Graph(self._encoder, self._pixels[:size], pool, self._computing)
        except RuntimeError as error:
            # PyTorch keeps what cuDNN found best per thread: without graphs every lane would try all algorithms again.
            torch.backends.cudnn.benchmark = False
            self._computing = _stream(self._device)
            self.name += ", no graphs"
            log.warning("CUDA graphs can't be captured, kernels are launched one by one, slower: %s", error)
            return {}
        return graphs


def _stream(device: torch.device, priority: int = 0) -> torch.cuda.Stream:
    return torch.cuda.Stream(device, priority=priority)  # type: ignore[no-untyped-call]


def _event() -> torch.cuda.Event:
    """One whose `synchronize` sleeps instead of spinning: the cores are for decoding."""
    return torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
