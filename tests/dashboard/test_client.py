from __future__ import annotations

import asyncio
import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboard.client import AddressError, Client, Event, SubscribeError
from dashboard.protocol import AlertMessage
from dashboard.watch import watch
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.support.servers import free_port

Start = Callable[..., Running]
SOON_S = 30.0


async def take(client: Client, count: int, then: Callable[[int], object] = lambda n: None) -> list[Any]:
    """The first events; `then(n)` runs after the n-th."""
    got: list[Event] = []
    async with asyncio.timeout(SOON_S), aclosing(aiter(client)) as events:
        async for event in events:
            got.append(event)
            await asyncio.to_thread(then, len(got))
            if len(got) == count:
                break
    return got


def cursors(events: list[Any]) -> list[str]:
    return [event.cursor for event in events if isinstance(event, AlertMessage)]


def test_it_resumes_over_restarts_of_the_dashboard(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    written = [feed.alert("a0")]
    said: list[str] = []

    def meddle(count: int) -> None:
        if count % 3 == 0:
            one.stop()
            written.extend(feed.alert(f"gone{count}-{n}") for n in range(2))
            one.start()
        elif len(written) <= count:
            written.append(feed.alert(f"a{count}"))

    client = Client(one.ws, since="0", on_status=said.append, backoff_s=(0.05,))
    events = asyncio.run(take(client, 10, meddle))
    assert cursors(events) == written[:10]
    assert client.cursor == written[9]
    assert any("stopping" in line for line in said)
    assert any("connected" in line for line in said)


def test_what_happens_between_welcome_and_subscribe_is_not_missed(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    feed.alert("old")

    async def run() -> list[Any]:
        client = Client(one.ws, events=["new"], cameras=["do*"])
        async with asyncio.timeout(SOON_S), aclosing(aiter(client)) as events:
            pending = asyncio.ensure_future(anext(events))
            while client.welcome is None:
                await asyncio.sleep(0.005)
            feed.alert("other", camera="yard")
            feed.alert("mine", camera="door")
            return [await pending]

    assert asyncio.run(run())[0].alert.id == "mine"


def test_a_refused_connection_is_tried_until_it_answers_and_told_once(dashboard: Start, feed: Feed) -> None:
    port = free_port()
    said: list[str] = []
    started: list[Running] = []

    async def run() -> list[Any]:
        client = Client(f"ws://127.0.0.1:{port}/ws/v1", since="0", on_status=said.append, backoff_s=(0.02,))
        task = asyncio.create_task(take(client, 1))
        while not said:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # several tries more
        assert len(said) == 1
        started.append(await asyncio.to_thread(dashboard, port=port))
        feed.alert("a")
        return await task

    assert asyncio.run(run())[0].alert.id == "a"
    assert "refused" in said[0]
    assert "connected" in said[-1]


@contextmanager
def serving(answer: bytes) -> Iterator[int]:
    """A TCP server that says one thing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def failure(url: str, **options: Any) -> SubscribeError:
    with pytest.raises(SubscribeError) as caught:
        asyncio.run(take(Client(url, **options), 1))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == (2 if isinstance(caught.value, AddressError) else 1)
    return caught.value


def test_what_can_never_work_ends_with_a_remedy(dashboard: Start) -> None:
    one = dashboard(token="s3cret").synced()
    assert "token" in failure(one.ws, token="wrong").remedy
    assert "token" in failure(one.ws).remedy
    assert "404" in str(failure(one.ws.replace("/v1", "/v2"), token="s3cret"))
    address = failure(one.http)
    assert isinstance(address, AddressError)
    assert "no WebSocket address" in str(address)
    assert "since" in failure(one.ws, token="s3cret", since="yesterday").remedy
    with serving(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        assert "no WebSocket server" in str(failure(f"ws://127.0.0.1:{port}/ws/v1"))
    with serving(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n") as port:
        assert "401" in str(failure(f"ws://user:pw@127.0.0.1:{port}/ws/v1"))


def test_the_password_in_an_address_is_not_shown() -> None:
    with serving(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as port:
        assert "hunter2" not in str(failure(f"ws://me:hunter2@127.0.0.1:{port}/ws/v1"))


def test_a_server_that_hangs_up_or_is_busy_is_tried_again(dashboard: Start) -> None:
    for answer in (b"", b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"):
        said: list[str] = []

        async def run(answer: bytes, said: list[str]) -> None:
            with serving(answer) as port:
                client = Client(f"ws://127.0.0.1:{port}/", on_status=said.append, backoff_s=(0.02,))
                task = asyncio.create_task(take(client, 1))
                async with asyncio.timeout(SOON_S):
                    while not said:
                        await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(run(answer, said))
        assert "trying again" in said[0]


class Lines(io.StringIO):
    """Standard output that stops the watcher after some lines."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.flushed = count, 0

    def flush(self) -> None:
        self.flushed += 1
        if self.getvalue().count("\n") >= self.count:
            raise BrokenPipeError


def watched(one: Running, count: int, **options: Any) -> str:
    out = Lines(count)

    async def run() -> None:
        async with asyncio.timeout(SOON_S):
            await watch(one.ws, out=out, **options)

    with pytest.raises(BrokenPipeError):
        asyncio.run(run())
    return out.getvalue()


def test_watch_prints_one_json_event_per_line(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    written = [feed.alert("a", event) for event in ("new", "update", "end")]
    lines = [json.loads(line) for line in watched(one, 3, as_json=True, since="0").splitlines()]
    assert [line["event"] for line in lines] == ["new", "update", "end"]
    assert {line["type"] for line in lines} == {"alert"}
    assert [line["cursor"] for line in lines] == written
    assert lines[2]["alert"]["id"] == "a"


def test_watch_prints_lines_for_people(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    feed.alert("a", camera="door", model="[bold]x[/bold]")
    feed.alert("a", "end", camera="door")
    lines = watched(one, 2, since="0").splitlines()
    assert len(lines) == 2
    assert "critical" in lines[0]
    assert "[bold]x[/bold]" in lines[0]  # text, not markup
    assert "cleared" in lines[1]


def test_watch_prints_nothing_that_a_terminal_follows(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    feed.alert("a", camera="door", detail="gone\x1b[2J\x1b]0;calm\x07\r\nclean door", kind="offline")
    [line] = watched(one, 1, since="0").splitlines()
    assert line.isprintable()
    assert "clean door" in line
    refused = SubscribeError("it refuses (\x1b[2Jall is well)", "ask \x9b31m again")
    assert str(refused).isprintable()


def test_watch_runs_a_command_for_what_passes_the_filters(dashboard: Start, feed: Feed, tmp_path: Path) -> None:
    one = dashboard().synced()
    for id, event, severity in (("a1", "new", "critical"), ("w", "new", "warning"), ("a1", "end", "critical"),
                                ("a2", "new", "critical"), ("a3", "new", "critical")):  # fmt: skip
        feed.alert(id, event, severity=severity)
    out = tmp_path / "out"
    code = f"import os; open({str(out)!r}, 'a').write(os.environ['UNMASK_ALERT'] + os.environ['UNMASK_EVENT'] + ' ')"
    program = tmp_path / "each.py"
    program.write_text(code)
    execute = f"{sys.executable} {program}"
    watched(one, 3, since="0", severities=["critical"], events=["new"], execute=execute)
    assert out.read_text() == "a1new a2new ", "the third line ended the watch before its command"


@pytest.mark.parametrize("module", ["dashboard.service", "dashboard.client", "dashboard.watch"])
def test_what_is_not_imported(module: str) -> None:
    heavy = ["torch", "av", "cv2"] + (["starlette", "uvicorn", "redis"] if module != "dashboard.service" else [])
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
