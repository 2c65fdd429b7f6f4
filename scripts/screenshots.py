"""Makes the pictures in docs/images: the page in Chromium, on a real dashboard fed with the demo's own faces.

python scripts/screenshots.py [FOLDER]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import redis
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.dashboard.feed import BASELINE, QUALITY, Feed, alert_event  # noqa: E402
from tests.support.servers import end, free_port, valkey, wait_until  # noqa: E402
from unmask.demo import scene  # noqa: E402
from wire.messages import Clip, Evidence, Explanation, Frame, Picture, Review, Trace  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
CAMERAS = ["call-2", "entrance", "lobby", "parking", "reception", "yard"]
VIEWS = {
    "live": ("#/", 1440, 900), "alert": ("#/alert/call-2-1-7", 1440, 900), "history": ("#/history", 1440, 900),
    "system": ("#/system", 1440, 900), "wall": ("#/wall", 1920, 1080), "phone": ("#/", 390, 844),
}  # fmt: skip


def jpeg(picture: Any, quality: int = 88) -> bytes:
    """A JPEG of it."""
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


class Stage:
    """Six cameras that live: two with the demo's face, one of them manipulated, and some in trouble."""

    def __init__(self, bus: redis.Redis) -> None:
        self.feed = Feed(bus)
        self.real = list(scene.frames(False, 2.0))
        self.fake = list(scene.frames(True, 2.0, mirror=True))
        self.empty = np.full((480, 854, 3), (60, 52, 46), np.uint8)
        self._step = 0

    def live(self) -> None:
        """One moment of it."""
        self._step += 1
        feed, n = self.feed, self._step % len(self.real)
        for role in ("streamer", "dashboard"):
            feed.service(role)
        feed.service("worker", model=BASELINE, device="cpu, 2 threads", detail="", busy=0.43, batch_fill=0.31,
                     caveat="a baseline, AUC 0.71 on swaps never trained on")  # fmt: skip
        feed.bus.hincrby(feed.keys.outcomes, "made", 2)
        feed.bus.hincrby(feed.keys.outcomes, "scored", 2)
        box = (330.0, 95.0, 190.0, 240.0)
        wave = 0.03 * np.sin(self._step / 3)
        for name, frames, p in (("call-2", self.fake, 0.94 + wave), ("lobby", self.real, 0.16 + wave)):
            feed.bus.set(feed.keys.preview(name), jpeg(frames[n]))
            feed.camera(name, frame_size=(854, 480), windows=100 + self._step)
            feed.score(name, float(p), frame_size=(854, 480), box=box)
        for name in ("entrance", "parking"):
            feed.bus.set(feed.keys.preview(name), jpeg(self.empty))
            feed.camera(name, faces=0, frame_size=(854, 480))
        feed.camera("reception", "unauthorised", faces=0, error="the camera refuses the user or password", reconnects=6)
        feed.bus.set(feed.keys.preview("yard"), jpeg(self.empty))
        feed.camera("yard", "frozen", faces=0, last_frame=time.time() - 40)

    def alerts(self) -> None:
        """An open alert with all its evidence, and a past."""
        feed, now = self.feed, time.time()
        for hours, camera, verdict in ((30, "lobby", "false-alarm"), (9, "call-2", "confirmed"), (3, "entrance", None)):
            started = now - hours * 3600
            id = f"{camera}-1-{hours}"
            facts = {"started": started, "updated": started + 40, "severity": "warning", "peak": 0.86, "score": 0.4}
            feed.alert(id, "new", camera, **facts)
            feed.alert(id, "end", camera, **facts, ended=started + 42)
            if verdict:
                review = Review(alert=id, verdict=verdict, note="a poster" if hours == 30 else "", at=started + 90)
                event = alert_event(id, "end", camera, **facts, ended=started + 42, review=review)
                feed.bus.set(feed.keys.review(id), review.encode())
                feed.add(feed.keys.alerts, type(event)(event="review", at=review.at, alert=event.alert))
        feed.alert("reception-offline-1", "new", "reception", kind="offline", severity="warning", score=None, peak=None,
                   mean=None, threshold=None, model="", track="", windows=0, started=now - 200,
                   detail="the camera refuses the user or password")  # fmt: skip
        id = "call-2-1-7"
        self._evidence(id, now)
        feed.alert(id, "new", "call-2", started=now - 14, score=0.94, peak=0.97, mean=0.9)

    def _evidence(self, id: str, now: float) -> None:
        crops = [picture[60:360, 270:570] for picture in self.fake[:32:2]]
        small = [cv2.resize(crop, (224, 224), interpolation=cv2.INTER_AREA) for crop in crops]
        frames = tuple(Frame(n, now - 12 + n / 6, (330.0, 95.0, 190.0, 240.0), jpeg(crop)) for n, crop in enumerate(small))
        scores = tuple(float(0.9 + 0.07 * np.sin(n)) for n in range(16))
        rows, columns = np.mgrid[0:224, 0:224]
        warm = np.exp(-(((columns - 118) / 50) ** 2 + ((rows - 150) / 40) ** 2))
        colours = cv2.applyColorMap((warm * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
        peak = int(np.argmax(scores))
        heat = (small[peak] * (1 - 0.6 * warm[:, :, None]) + colours * 0.6 * warm[:, :, None]).astype(np.uint8)
        sheet = np.vstack([np.hstack(small[at : at + 4]) for at in range(0, 16, 4)])
        whole = self.fake[peak * 2].copy()
        cv2.rectangle(whole, (330, 95), (520, 335), (80, 220, 80), 2)
        trace = tuple(
            (now - 40 + n, float(min(0.97, max(0.1, 0.2 + (n - 20) * 0.09 + 0.03 * np.sin(n)))), "fake" if n > 27 else "clean" if n < 23 else "suspect")
            for n in range(40)
        )
        self.feed.keep(
            Evidence(alert=id, window="call-2/1-1/7", model=BASELINE, threshold=0.8, p_fake=0.93, quality=QUALITY,
                     frame_size=(854, 480), frames=frames),
            Trace(alert=id, points=trace),
            Explanation(alert=id, frame_scores=scores, peak=peak, grid=((0.1,),), heat=jpeg(heat), sheet=jpeg(sheet),
                        camera=self.feed.camera("call-2", frame_size=(854, 480))),
            Picture(alert=id, captured=now - 11, box=(330.0, 95.0, 190.0, 240.0), frame_size=(854, 480), jpeg=jpeg(whole)),
            Clip(alert=id, started=now - 16, ended=now - 8, codec="h264", as_received=True, mp4=self._clip()),
        )  # fmt: skip

    def _clip(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
                stream = container.add_stream("libx264", rate=25)
                stream.width, stream.height, stream.pix_fmt = 854, 480, "yuv420p"
                for picture in self.fake:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
                container.mux(stream.encode(None))
            return path.read_bytes()


@contextmanager
def dashboard() -> Iterator[tuple[Stage, str]]:
    """A stage that lives, and the page's address."""
    with ExitStack() as stack:
        url, _ = stack.enter_context(valkey(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        stage = Stage(stack.enter_context(redis.Redis.from_url(url)))
        port = free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("UNMASK_")}
        env = {**clean, "REDIS_URL": url, "UNMASK_DASHBOARD__PORT": str(port), "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen([sys.executable, "-m", "dashboard"], env=env, cwd=tempfile.gettempdir())
        stack.callback(end, server)
        stage.alerts()
        stop = threading.Event()
        thread = threading.Thread(target=lambda: [stage.live() for _ in iter(lambda: stop.wait(0.25), True)])
        thread.start()
        stack.callback(thread.join)
        stack.callback(stop.set)
        page = f"http://127.0.0.1:{port}/"
        wait_until(lambda: _answers(port), 20, "the dashboard answers")
        yield stage, page


def _answers(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def shoot(browser: Browser, address: str, name: str, folder: Path, theme: str = "dark") -> None:
    """One view as a PNG."""
    hash, width, height = VIEWS[name]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
    page: Page = context.new_page()
    page.goto(address + hash)
    page.wait_for_timeout(9000 if name in ("live", "wall") else 4500)
    page.screenshot(path=str(folder / f"{name}-{theme}.png"))
    context.close()


def main(folder: Path, wanted: list[str], themes: list[str]) -> None:
    """All pictures into `folder`, as WebP."""
    folder.mkdir(parents=True, exist_ok=True)
    with dashboard() as (_stage, address), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        time.sleep(5)  # a little of a timeline
        for name in wanted or list(VIEWS):
            for theme in themes:
                shoot(browser, address, name, folder, theme)
                png = folder / f"{name}-{theme}.png"
                webp = folder / f"{name}{'' if theme == 'dark' else '-light'}.webp"
                cv2.imwrite(str(webp), cv2.imread(str(png)), [cv2.IMWRITE_WEBP_QUALITY, 82])
                if folder == ROOT / "docs" / "images":
                    png.unlink()
        browser.close()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    main(target, sys.argv[2].split(",") if len(sys.argv) > 2 else [], sys.argv[3].split(",") if len(sys.argv) > 3 else ["dark"])
