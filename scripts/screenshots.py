"""Makes the pictures in docs/images from the running product: the demo's own face, one gate that can't be reached.

python scripts/screenshots.py [FOLDER]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import yaml
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from dashboard.access import hashing  # noqa: E402
from tests.support.servers import end, free_port, unmask, valkey, wait_until  # noqa: E402
from unmask import users  # noqa: E402
from unmask.demo import play  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
SIZES = {
    "live": (1440, 900), "alert": (1440, 1180), "history": (1440, 620), "system": (1440, 800), "wall": (1920, 1080),
    "phone": (390, 844), "login": (1440, 620),
}  # fmt: skip


@contextmanager
def product() -> Iterator[str]:
    """`unmask run` on three virtual cameras and one that refuses; the page's address."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        clips = play.prepare(folder, Console(stderr=True))
        fake, real = str(clips["call-manipulated"]), str(clips["lobby-untouched"])
        config = {
            "cameras": {
                "call-2": {"url": fake, "loop": True},
                "lobby": {"url": real, "loop": True},
                "reception": {"url": real, "loop": True},
                "gate": {"url": "rtsp://127.0.0.1:9/stream1"},
            },
            "alerts": {"evidence_clip": True, "offline_after_s": 10},
            "dashboard": {"port": port},
            "state": str(folder / "state"),
            "telemetry": {"log_level": "warning"},
        }
        path = folder / "unmask.yaml"
        path.write_text(yaml.safe_dump(config))
        process = subprocess.Popen(unmask("run", "--config", str(path)), cwd=ROOT)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until(lambda: alerts(address), 120, "an alert with its evidence", 0.5)
            yield address
        finally:
            end(process, 20)


@contextmanager
def guarded() -> Iterator[str]:
    """`unmask dashboard` that knows a user; the page's address."""
    with tempfile.TemporaryDirectory() as name, valkey(Path(name)) as (url, _):
        path, port = Path(name) / "unmask.yaml", free_port()
        path.write_text(users.lines("anna", "viewer", ["lobby-*"], hashing.made(hashing.new_secret())))
        command = unmask("dashboard", "--config", str(path), "--port", str(port))
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "REDIS_URL": url})
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}"), 60, "the dashboard answers", 0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            end(process, 20)


def answers(address: str) -> bool:
    """Whether a dashboard serves its page there."""
    try:
        return httpx.get(address).status_code == 200
    except httpx.HTTPError:
        return False


def alerts(address: str) -> str | None:
    """The id of a face's alert whose evidence is whole."""
    try:
        found = httpx.get(f"{address}/api/v1/alerts?kind=sustained").json()["alerts"]
        for alert in found:
            evidence = httpx.get(f"{address}/api/v1/alerts/{alert['id']}").json()["evidence"]
            if evidence and evidence["heat"] and evidence["picture"] and evidence["clip"]:
                return str(alert["id"])
    except (httpx.HTTPError, KeyError, ValueError):
        pass
    return None


def shoot(browser: Browser, address: str, name: str, hash: str, folder: Path, theme: str) -> None:
    """One view as a WebP."""
    width, height = SIZES[name]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
    page: Page = context.new_page()
    page.goto(f"{address}/{hash}")
    page.wait_for_timeout(4000)
    png = folder / "shot.png"
    page.screenshot(path=str(png))
    context.close()
    suffix = "" if theme == "dark" else "-light"
    cv2.imwrite(str(folder / f"page-{name}{suffix}.webp"), cv2.imread(str(png)), [cv2.IMWRITE_WEBP_QUALITY, 82])
    png.unlink()


def main(folder: Path) -> None:
    """All pictures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with product() as address, sync_playwright() as playwright:
        id = alerts(address)
        time.sleep(45)  # a timeline worth looking at
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        views = {"live": "#/", "alert": f"#/alert/{id}", "system": "#/system", "wall": "#/wall", "phone": "#/"}
        for name, hash in views.items():
            shoot(browser, address, name, hash, folder, "dark")
        httpx.post(f"{address}/api/v1/alerts/{id}/verdict", json={"verdict": "confirmed", "note": "the demo's blend"})
        shoot(browser, address, "history", "#/history", folder, "dark")
        shoot(browser, address, "live", "#/", folder, "light")
        with guarded() as door:
            shoot(browser, door, "login", "", folder, "dark")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
