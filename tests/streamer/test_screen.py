"""`screen:` on a real X display: a browser window with a call in it, four tiles and one who speaks, in turns."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import xcffib
import xcffib.xproto
from xcffib.xproto import Atom, ConfigWindow, WindowClass

from streamer import sources
from streamer.analysis import Analysis
from streamer.faces import Haar
from streamer.probe import probe
from streamer.reader import Reader
from streamer.tracking import iou
from tests.conftest import CHROMIUM
from tests.support.servers import end, missing, wait_until
from unmask.demo import scene
from wire.errors import SourceError
from wire.messages import Window
from wire.settings import CameraSettings, StreamerSettings, WindowSettings

WIDTH, HEIGHT = 800, 600
GRID_MS, SPEAKER_MS = 2000, 1200
TILES = {"speaker", "upper left", "upper right", "lower left", "lower right"}
PATIENCE_S = 40  # on a busy machine samples fail to come in time, and windows with them
PAGE = """<title>Weekly meeting - call</title>
<style>body { margin: 0; display: grid; grid: 300px 300px / 400px 400px; background: #222 }
img { width: 100%; height: 100%; object-fit: cover; object-position: 50% 15% }
.speaker { grid: 600px 0 / 800px 0 } .speaker img ~ img { display: none }</style>
<img style="filter: none"><img style="filter: invert(.2) sepia(.9)"><img style="filter: contrast(.7) brightness(1.3)">
<img style="transform: scaleX(-1)">
<script>for (const one of document.images) one.src = "PICTURE";
const turn = (on) => { document.body.classList.toggle("speaker", on); setTimeout(turn, on ? SPEAKER : GRID, !on) };
turn(false)</script>"""


@pytest.fixture(scope="module")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An X server on a display it chooses, with the call filling a browser window."""
    if not shutil.which("Xvfb") or not Path(CHROMIUM).exists():
        missing("no Xvfb or no Chromium: run scripts/install-system.sh test")
    folder = tmp_path_factory.mktemp("screen")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    name = f":{server.stdout.readline().strip()}"
    page = folder / "call.html"
    filled = PAGE.replace("PICTURE", f"file://{scene.PICTURE}")
    page.write_text(filled.replace("GRID", str(GRID_MS)).replace("SPEAKER", str(SPEAKER_MS)))
    flags = ["no-sandbox", "kiosk", "disable-gpu", "no-first-run", "disable-background-networking", "disable-sync",
             "disable-component-update", f"user-data-dir={folder}", "window-position=0,0",
             f"window-size={WIDTH},{HEIGHT}"]  # fmt: skip
    browser = subprocess.Popen(
        [CHROMIUM, *(f"--{flag}" for flag in flags), str(page)],
        env={"DISPLAY": name, "HOME": str(folder), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield name
    end(browser)
    end(server)
    server.stdout.close()


def test_a_call_in_a_window_found_by_its_title(display: str) -> None:
    """Four tiles are four tracks that stay; when the view changes windows end, and none shows two people."""
    camera = CameraSettings(url=f"screen:@{display}?window=weekly MEETING")
    whole = pytest.approx((WIDTH, HEIGHT), abs=1)
    wait_until(lambda: (found := probe(camera, 10)).ok and found.size == whole, 60, "the browser's window")
    settings = StreamerSettings(), WindowSettings(frames=4, stride=2)
    analysis = Analysis("call", 6.0, Haar(640, 32), *settings, clock=time.time)
    windows: list[Window] = []
    tiles: dict[str, str] = {}  # track -> where
    with Reader(sources.parse(camera)) as reader:
        assert reader.open().size == whole
        for number, frame in enumerate(reader.frames()):
            if sample := analysis.sampler.take(frame.captured, frame.size):
                windows += (made := analysis.analyse(sample, frame.view()))
                tiles |= {window.track: tile(window) for window in made}
            if set(tiles.values()) == TILES:
                break
            assert number < 15 * PATIENCE_S, tiles
    for window in windows:
        first = window.frames[0].box
        assert all(iou(first, frame.box) > 0.6 for frame in window.frames), "two tiles in one window"
        assert tile(window) == tiles[window.track]


def tile(window: Window) -> str:
    x, y, width, _ = window.frames[0].box
    return (
        "speaker" if width > 100 else f"{'lower' if y > HEIGHT / 2 else 'upper'} {'right' if x > WIDTH / 2 else 'left'}"
    )


def test_a_region_of_the_screen(display: str) -> None:
    camera = CameraSettings(url=f"screen:320x240+100+50@{display}")
    assert probe(camera, 10).size == (320, 240)


@pytest.fixture
def client(display: str) -> Iterator[xcffib.Connection]:
    """A program with windows on the display."""
    connection = xcffib.connect(display)  # type: ignore[no-untyped-call]
    yield connection
    connection.disconnect()  # type: ignore[no-untyped-call]


def open_window(client: xcffib.Connection, title: str, size: tuple[int, int] = (200, 100)) -> int:
    screen = client.get_setup().roots[client.pref_screen]
    window = int(client.generate_id())
    client.core.CreateWindow(  # type: ignore[has-type]
        screen.root_depth, window, screen.root, 0, 0, *size, 0, WindowClass.InputOutput, screen.root_visual, 0, []
    )
    client.core.ChangeProperty(0, window, Atom.WM_NAME, Atom.STRING, 8, len(title), title)  # type: ignore[has-type]
    client.core.MapWindow(window, is_checked=True).check()  # type: ignore[has-type]
    return window


def test_a_window_by_its_id_and_one_that_changes_its_size(display: str, client: xcffib.Connection) -> None:
    window = open_window(client, "Presentation")
    source = sources.parse(CameraSettings(url=f"screen:@{display}?window={window:#x}"))
    with Reader(source) as reader:
        frames = reader.frames()
        assert next(frames).size == (200, 100)
        values = ConfigWindow.Width | ConfigWindow.Height, [300, 220]
        client.core.ConfigureWindow(window, *values, is_checked=True).check()  # type: ignore[has-type]
        with pytest.raises(SourceError, match="another size") as caught:
            for _ in frames:
                pass
        assert caught.value.kind == "disconnected"
    part = CameraSettings(url=f"screen:120x80+10+20@{display}?window=present")
    assert probe(part, 10).size == (120, 80)
    client.core.DestroyWindow(window, is_checked=True).check()  # type: ignore[has-type]
    found = probe(CameraSettings(url=f"screen:@{display}?window={window:#x}"), 10)
    assert (found.ok, found.kind) == (False, "not-found")


def test_a_title_that_none_has_or_several_have(display: str, client: xcffib.Connection) -> None:
    for title in ("Secret plan A", "Secret plan B", "Secret"):
        open_window(client, title)
    for wanted, why in (("nothing of the kind", "no window on this display"), ("plan", "2 windows have that")):
        found = probe(CameraSettings(url=f"screen:@{display}?window={wanted}"), 10)
        assert (found.ok, found.kind) == (False, "not-found")
        assert why in found.message
        assert "plan A" not in found.message
    assert probe(CameraSettings(url=f"screen:@{display}?window=secret"), 10).ok


def test_no_such_display() -> None:
    for url in ("screen:@:4242", "screen:@:4242?window=Call"):
        found = probe(CameraSettings(url=url), 10)
        assert not found.ok
        assert ":4242" in found.message or "screen" in found.message
