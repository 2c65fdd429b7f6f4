"""What the tests of the page share."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Running
from tests.dashboard.feed import BASELINE, Feed
from tests.support.npm import installed

Start = Callable[..., Running]
XSS = '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>\'"&{{7*7}}'


@contextmanager
def kept_up(publish: Callable[[], object]) -> Iterator[None]:
    """`publish` again and again, as a living streamer and worker do."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            publish()
            stop.wait(0.2)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def pumped(page: Page, condition: Callable[[], object], what: str) -> None:
    """Wait for what the page's events bring about in this program; they come while Playwright waits."""
    for _ in range(800):
        if condition():
            return
        page.wait_for_timeout(25)
    pytest.fail(f"never: {what}")


def until(page: Page, condition: str) -> None:
    """Wait for a condition in JavaScript; Playwright's own way of it needs eval, which the page's policy forbids."""
    pumped(page, lambda: page.evaluate(condition), condition)


def services(feed: Feed) -> None:
    feed.service("streamer")
    feed.service("worker", model=BASELINE, device="cpu", caveat="a baseline, AUC 0.71")


def jpeg() -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((90, 160, 3), 120, np.uint8))[1].tobytes())


def verdict(page: Page, name: str, expected: str) -> None:
    shown = page.locator(f"#camera-{name} .verdict")
    expect(shown).to_have_text(expected)


def axe_source(cache: pytest.Cache) -> str:
    """axe-core's script, by npm, kept between runs; skips (in CI: fails) where there is no npm."""
    folder = installed(Path(cache.mkdir("axe")), "axe-core@4")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def findings(page: Page, axe: str) -> list[str]:
    """What axe-core calls serious or critical on the page as it is."""
    page.evaluate(axe)
    found: Any = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    grave = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {json.dumps([node['html'][:120] for node in one['nodes'][:3]])}" for one in grave]
