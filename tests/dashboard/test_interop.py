"""Subscribers of other make: a browser on another site, npm's `ws`, Python's aiohttp.

Debian packages no websocat, so it is not among them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.dashboard.feed import Feed
from tests.dashboard.pages import Start, pumped
from tests.support.npm import installed

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TOKEN = "s3cret"
SCRIPT = """
const { WebSocket } = require("ws");
const [url, token, since] = process.argv.slice(2);
const socket = new WebSocket(url);
const seen = [];
socket.on("open", () => socket.send(JSON.stringify({ type: "hello", version: 1, token })));
socket.on("message", (data) => {
  const message = JSON.parse(data);
  if (message.type === "welcome") {
    socket.send(JSON.stringify({ type: "subscribe", id: "node", since }));
    socket.send(JSON.stringify({ type: "ping", id: "p" }));
  }
  seen.push(message);
  // The answer to the ping may come before or after the alerts.
  const has = (wanted) => seen.some(wanted);
  if (has((one) => one.type === "pong") && has((one) => one.alert?.id === "last")) socket.close(1000);
});
socket.on("close", (code) => console.log(JSON.stringify({ code, seen })));
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    """Another site, which serves the example."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(EXAMPLES)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_example_page_subscribes_and_resumes(page: Page, site: str, dashboard: Start, feed: Feed) -> None:
    one = dashboard(token=TOKEN, allowed_origins=(site,)).synced()
    page.goto(f"{site}/subscribe.html")
    page.locator("#url").fill(one.ws)
    page.locator("#token").fill(TOKEN)
    page.get_by_role("button", name="Subscribe").click()
    expect(page.locator("#status")).to_have_text("Connected, 0 open alerts")
    feed.alert("a1", "new", "door")
    lines = page.locator("#alerts li")
    expect(lines).to_have_text(["new door sustained critical 0.97"])
    one.stop()
    expect(page.locator("#status")).to_contain_text("Closed with 1012")
    feed.alert("a1", "end", "door")
    feed.alert("c1", "new", "yard", kind="offline", severity="warning", score=None, peak=None)
    one.start()
    expect(lines).to_have_text(
        ["new yard offline warning ", "end door sustained critical 0.97", "new door sustained critical 0.97"]
    )
    assert TOKEN not in page.evaluate("JSON.stringify([location.href, {...sessionStorage}])")
    assert len((EXAMPLES / "subscribe.html").read_text().splitlines()) <= 60


def test_a_site_that_is_not_allowed_and_a_wrong_token(page: Page, site: str, dashboard: Start) -> None:
    for allowed, token, code in (((), TOKEN, "1006"), ((site,), "wrong", "4401")):
        one = dashboard(token=TOKEN, allowed_origins=allowed).synced()
        page.goto(f"{site}/subscribe.html")
        page.locator("#url").fill(one.ws)
        page.locator("#token").fill(token)
        page.get_by_role("button", name="Subscribe").click()
        expect(page.locator("#status")).to_contain_text(f"Closed with {code}")


@pytest.mark.parametrize("code", [1012, 4408, 4508])
def test_the_example_page_comes_back_where_the_protocol_says_so(page: Page, site: str, code: int) -> None:
    came: list[WebSocketRoute] = []

    def close(socket: WebSocketRoute) -> None:
        came.append(socket)
        if len(came) == 1:
            socket.close(code=code)

    page.route_web_socket("**/ws/v1", close)
    page.goto(f"{site}/subscribe.html")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.locator("#status")).to_contain_text(f"Closed with {code}")
    pumped(page, lambda: len(came) > 1, "it comes back")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder with npm's `ws` and the script; kept between runs."""
    assert request.config.cache
    folder = installed(Path(request.config.cache.mkdir("node-ws")), "ws@8")
    (folder / "subscribe.cjs").write_text(SCRIPT, encoding="utf-8")
    return folder


def in_node(folder: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(folder / "subscribe.cjs"), *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ids(messages: list[dict[str, Any]]) -> list[str]:
    return [message["alert"]["id"] for message in messages if message["type"] == "alert"]


def test_npm_ws(node: Path, dashboard: Start, feed: Feed) -> None:
    one = dashboard(token=TOKEN).synced()
    first = feed.alert("a1")
    feed.alert("a2")
    feed.alert("last")
    found = in_node(node, one.ws, TOKEN, "0")
    assert found["code"] == 1000
    assert ids(found["seen"]) == ["a1", "a2", "last"]
    assert {"welcome", "subscribed", "pong"} <= {message["type"] for message in found["seen"]}
    assert ids(in_node(node, one.ws, TOKEN, first)["seen"]) == ["a2", "last"]
    assert in_node(node, one.ws, "wrong", "0")["code"] == 4401


def test_aiohttp(dashboard: Start, feed: Feed) -> None:
    one = dashboard(token=TOKEN, heartbeat_s=0.2).synced()
    first = feed.alert("a1")
    feed.alert("last")

    async def talk(token: str, since: str) -> tuple[int | None, list[dict[str, Any]]]:
        seen: list[dict[str, Any]] = []
        async with aiohttp.ClientSession() as session, session.ws_connect(one.ws) as socket:
            await socket.send_json({"type": "hello", "version": 1, "token": token})
            async for message in socket:
                seen.append(json.loads(message.data))
                if seen[-1]["type"] == "welcome":
                    await socket.send_json({"type": "subscribe", "id": "py", "since": since})
                    await socket.send_json({"type": "ping", "id": "p"})
                kinds = {one["type"] for one in seen}
                if "last" in ids(seen) and {"pong", "heartbeat"} <= kinds:
                    await socket.close()
        return socket.close_code, seen

    def in_a_thread(token: str, since: str) -> tuple[int | None, list[dict[str, Any]]]:
        made: list[tuple[int | None, list[dict[str, Any]]]] = []
        thread = threading.Thread(target=lambda: made.append(asyncio.run(talk(token, since))))
        thread.start()  # the browser's driver has this thread's loop
        thread.join(60)
        return made[0]

    code, seen = in_a_thread(TOKEN, "0")
    assert code == 1000
    assert ids(seen) == ["a1", "last"]
    assert ids(in_a_thread(TOKEN, first)[1]) == ["last"]
    assert in_a_thread("wrong", "0")[0] == 4401
