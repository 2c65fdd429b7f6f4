"""Fixtures every folder uses."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
import structlog
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright

from tests.support.plugins import install_examples
from tests.support.receiver import Receiver
from tests.support.servers import RtspServer, missing, rtsp_available, valkey
from wire.keys import Keys

if TYPE_CHECKING:
    from tests.support.lineage import Lineage

CHROMIUM = "/usr/bin/chromium"
# On a busy machine an example takes as long as it takes; in CI this is so without us.
settings.register_profile(
    "patient", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")
SHARED = Path(__file__).parents[2] / "shared"
LONG = ("tests/unmask/test_train.py", "tests/worker/training/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first: begun last they would keep one process when the others have ended."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A test that sets logging up must not leave the next one a stream that is closed by then."""
    hooks = sys.excepthook, threading.excepthook
    yield
    sys.excepthook, threading.excepthook = hooks
    structlog.reset_defaults()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts, though a shell that starts us in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def _valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey(tmp_path_factory.mktemp("valkey")) as (url, _process):
        yield url


@pytest.fixture
def redis_url(_valkey: str) -> str:
    """A real, empty Valkey server."""
    with redis.Redis.from_url(_valkey) as bus:
        bus.flushall()
    return _valkey


@pytest.fixture
def bus(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the real, empty Valkey server."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def keys() -> Keys:
    """Keys under the default prefix."""
    return Keys()


@pytest.fixture
def rtsp_server() -> Iterator[Callable[..., RtspServer]]:
    """Makes RTSP servers (arguments of RtspServer), started; all are stopped at the end."""
    if not rtsp_available():
        missing("no gst-rtsp-server: run scripts/install-system.sh test")
    made: list[RtspServer] = []

    def make(clip: Path, **options: object) -> RtspServer:
        server = RtspServer(clip, **options)  # type: ignore[arg-type]
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real HTTP server that keeps what is posted to it."""
    one = Receiver()
    yield one
    one.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless. For one module: while it runs, asyncio.run is refused in the test's own thread."""
    if not Path(CHROMIUM).exists():
        missing("no Chromium: run scripts/install-system.sh test")
    quiet = ["disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
             "disable-component-update", "disable-sync", "no-sandbox"]  # fmt: skip
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{flag}" for flag in quiet])
        yield one
        one.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's folder of data and models; tests that use it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared folder here")
    return SHARED


@pytest.fixture(scope="session")
def lineage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Lineage]]:
    """A .pt file of the community's ResNeXt-50 + LSTM layout, 226 MB, and the model it was saved from."""
    import torch

    from tests.support.lineage import made_up

    model, path = made_up(), tmp_path_factory.mktemp("lineage") / "old.pt"
    torch.save(model.state_dict(), path)
    yield path, model
    path.unlink()


@pytest.fixture(scope="session")
def _examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("plugins") / "site"
    install_examples(site, tmp_path_factory.mktemp("examples"))
    return site


@pytest.fixture
def examples(_examples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugins of examples/, installed; the folder they are in."""
    monkeypatch.syspath_prepend(_examples)
    return _examples
