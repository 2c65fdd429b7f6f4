"""The page in a real browser."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.feed import BASELINE, Feed
from tests.dashboard.pages import XSS, Start, jpeg, kept_up, services, until, verdict
from tests.support.servers import end, free_port, valkey, wait_until

DARK = "rgb(10, 13, 19)"


def test_cameras_with_their_state_verdict_numbers_and_picture(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.bus.set(feed.keys.preview("door"), jpeg())
    feed.camera("yard", "unauthorised", error="401 Unauthorized", faces=0, reconnects=14)
    one = dashboard().synced()

    def living() -> None:
        feed.camera("door", fps=14.9)
        feed.score("door", 0.93)
        feed.camera("yard", "unauthorised", error="401 Unauthorized", faces=0, reconnects=14)

    with kept_up(living):
        page.goto(one.http)
        verdict(page, "door", "Fake")
        verdict(page, "yard", "Offline")
        yard = page.locator("#camera-yard")
        expect(yard).to_contain_text("unauthorised")
        expect(yard).to_contain_text("refuses the user or password")
        expect(yard).to_contain_text("401 Unauthorized")
        expect(yard).to_contain_text("14")
        expect(page.locator("#camera-door")).to_contain_text("14.9 fps")
        expect(page.locator("#camera-door")).to_contain_text("300 ms")
        expect(page.locator("#camera-door img")).to_be_visible()
        expect(page.locator("#model")).to_have_text(f"{BASELINE} · a baseline, AUC 0.71")
        expect(page.locator("#link")).to_have_text("Live")
        expect(page.locator("#banners")).to_be_empty()
        expect(page.locator("#summary button")).to_have_text(["door: fake", "yard: offline"])
        line = page.locator("#camera-door canvas")
        expect(line).to_have_attribute("aria-label", re.compile(r"newest 0\.93"))
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == DARK


def test_an_alert_arrives_lives_and_ends_before_the_eyes(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    one = dashboard().synced()
    page.goto(one.http)
    expect(page.locator("alert-feed")).to_contain_text("No alerts")
    feed.evidence("a1", [jpeg()] * 16)
    feed.alert("a1", "new", "door")
    item = page.locator("alert-item")
    expect(item).to_have_count(1)
    expect(item).to_contain_text("Critical")
    expect(item).to_contain_text("door")
    expect(item).to_contain_text("peak 0.97")
    expect(item).to_contain_text(f"baseline model {BASELINE}")
    expect(page.locator("#announcer")).to_contain_text("critical alert on camera door")
    expect(page).to_have_title(re.compile(r"\(1\) ALERT"))
    expect(item.locator("img")).to_have_count(6)
    item.get_by_role("button", name="Show all 16 crops").click()
    expect(item.locator("img")).to_have_count(16)
    until(page, "[...document.querySelectorAll('alert-item img')].every(i => i.complete && i.naturalWidth)")
    feed.alert("a1", "update", "door", peak=0.99)
    expect(item).to_contain_text("peak 0.99")
    feed.alert("a1", "end", "door")
    expect(item).to_contain_text("Ended")
    expect(item).to_contain_text("scores fell below the threshold")
    expect(page).to_have_title("Unmask")
    feed.alert("a2", "new", "yard", severity="warning")
    expect(page.locator("alert-item h3")).to_have_text(["yard", "door"])  # open ones first


def test_an_open_alert_needs_attention_whatever_its_camera_shows_by_now(
    page: Page, dashboard: Start, feed: Feed
) -> None:
    services(feed)
    feed.camera("door", faces=0)
    one = dashboard(stale_after_s=60).synced()
    page.goto(one.http)
    summary = page.locator("#summary")
    expect(summary).to_have_text("Nothing needs attention")
    feed.alert("a1", "new", "door")
    expect(summary).to_have_text("1 open alert")
    feed.alert("a1", "end", "door")
    expect(summary).to_have_text("Nothing needs attention")


def place(locator: Locator) -> Any:
    """Where it is on the page: what is drawn anew is nowhere in between."""
    return wait_until(locator.bounding_box, 15, "it is drawn")


def test_a_face_that_moves_leaves_no_label_behind(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.bus.set(feed.keys.preview("door"), jpeg())
    one = dashboard(stale_after_s=30).synced()
    feed.camera("door")
    page.goto(one.http)
    marks = page.locator("#camera-door .mark")
    with kept_up(lambda: feed.score("door", 0.1, box=(100.0, 60.0, 160.0, 160.0))):
        expect(marks).to_have_text(["0.10 clean"])
    feed.camera("door")  # which tells the server's view of the face, as old as the score
    feed.score("door", 0.2, box=(900.0, 60.0, 160.0, 160.0))
    expect(marks).to_have_text(["0.20 clean"])


def test_every_tile_of_a_call_has_its_mark_and_an_alert_its_place(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.bus.set(feed.keys.preview("call"), jpeg())
    one = dashboard().synced()
    tiles = {"1-0": (100.0, 60.0, 160.0, 160.0), "1-1": (900.0, 60.0, 160.0, 160.0)}

    def living() -> None:
        now = feed.camera("call", faces=2).updated
        feed.score("call", 0.12, "1-0", box=tiles["1-0"])
        feed.score("call", 0.95, "1-1", box=tiles["1-1"])
        # Of before the clock was set back: no face of now.
        feed.score("call", 0.99, "0-7", box=(500.0, 60.0, 160.0, 160.0), captured=now + 3600)

    with kept_up(living):
        page.goto(one.http)
        marks = page.locator("#camera-call .mark")
        expect(marks).to_have_text(["0.12 clean", "0.95 fake"])
        assert place(marks.nth(0))["x"] < place(marks.nth(1))["x"]
        feed.alert("a1", "new", "call", track="1-1", box=tiles["1-1"], frame_size=(1280, 720))
        item = page.locator("alert-item")
        expect(item.locator(".kind")).to_have_text("Possible deepfake, top right")
        spot, room = place(item.locator(".map i")), place(item.locator(".map"))
        assert room["x"] + room["width"] / 2 < spot["x"] < room["x"] + room["width"]
        feed.alert("a2", "new", "call", kind="offline", score=None, peak=None, mean=None, threshold=None, model="")
        expect(page.locator("alert-item[data-alert=a2] .map")).to_be_hidden()


def test_a_silent_streamer_is_shown_as_stale(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.bus.set(feed.keys.preview("door"), jpeg())
    one = dashboard(stale_after_s=1.5).synced()

    def living() -> None:
        feed.camera("door")
        feed.score("door", 0.1)

    with kept_up(living):
        page.goto(one.http)
        verdict(page, "door", "Clean")
        expect(page.locator("#camera-door img")).to_be_visible()
    verdict(page, "door", "Stale")
    expect(page.locator("#camera-door")).to_contain_text("gone silent")
    expect(page.locator("#camera-door .age")).to_contain_text("old")
    expect(page.locator("#camera-door")).to_contain_text("was live")
    expect(page.locator("#summary")).to_contain_text("door: stale")


def test_a_lost_connection_is_told_and_nothing_stays_clean_and_nothing_is_missed(
    page: Page, dashboard: Start, feed: Feed
) -> None:
    services(feed)
    one = dashboard().synced()

    def living() -> None:
        feed.camera("door")
        feed.score("door", 0.1)

    with kept_up(living):
        feed.alert("a1", "new", "door")
        page.goto(one.http)
        verdict(page, "door", "Clean")
        expect(page.locator("alert-item")).to_contain_text("Since")
        one.stop()
        expect(page.locator("#banners")).to_contain_text(re.compile(r"lost\. Showing the state of \d+:\d\d:\d\d"))
        verdict(page, "door", "Stale")
        expect(page.locator("#camera-door")).to_contain_text("This page is not connected")
        expect(page.locator("#link")).to_have_text("Not connected")
        expect(page.locator("alert-item")).to_contain_text("not known whether it lasts")
        assert page.title().startswith(("Not connected", "(1)"))
        feed.alert("a1", "end", "door")
        feed.alert("a2", "new", "yard")
        feed.alert("a2", "end", "yard")
        one.start()
        verdict(page, "door", "Clean")
        expect(page.locator("#banners")).to_be_empty()
        expect(page.locator("alert-item .tag")).to_have_text(["Ended", "Ended"])
        expect(page.locator("#announcer")).to_contain_text("camera yard")  # told, though it began while we were away


def test_a_lost_redis_is_told_and_no_camera_blamed_for_it(
    page: Page, dashboard: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dashboard.hub.BLOCK_MS", "dashboard.tail.BLOCK_MS"):
        monkeypatch.setattr(name, 200)
    monkeypatch.setattr("dashboard.readers.SILENT_S", 0.8)
    port = free_port()
    with valkey(tmp_path, port=port) as (url, process):
        one = dashboard(redis_url=url, stale_after_s=1.5).synced()
        with redis.Redis.from_url(url) as bus:
            services(Feed(bus))
            with kept_up(lambda: Feed(bus).camera("door", faces=0)):
                page.goto(one.http)
                verdict(page, "door", "No face")
                expect(page.locator("#summary")).to_contain_text("Nothing needs attention")
        process.send_signal(signal.SIGSTOP)  # no connection breaks: a socket gives up after ten seconds
        expect(page.locator("#link")).to_have_text("Redis lost", timeout=8_000)
        expect(page.locator("#link-dot")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
        verdict(page, "door", "Stale")
        expect(page.locator("#camera-door .why")).to_contain_text("Redis does not answer")
        expect(page.locator("#camera-door")).to_contain_text("was live")
        expect(page.locator("#summary")).to_have_text("door: stale")
        end(process)
        expect(page.locator("#banners")).to_contain_text("Redis can't be reached")
        expect(page.locator("#link")).to_have_text("Redis lost")
        expect(page.locator("#camera-door .why")).to_contain_text("Redis does not answer")


def test_empty_states_say_what_to_do(page: Page, dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    page.goto(one.http)
    expect(page.locator("#no-cameras")).to_be_visible()
    expect(page.locator("#no-cameras")).to_contain_text("unmask.yaml")
    expect(page.locator("#banners")).to_contain_text("No worker is ready")
    expect(page.locator("#banners")).to_contain_text("No streamer is ready")
    services(feed)
    expect(page.locator("#banners")).to_be_empty()
    feed.service("streamer", trouble="unmask.yaml: cameras.a.fps: unknown key")
    expect(page.locator("#banners")).to_contain_text("the one before goes on. unmask.yaml: cameras.a.fps: unknown key")
    feed.service("streamer")
    expect(page.locator("#banners")).to_be_empty()
    feed.bus.sadd(feed.keys.camera_names, "lobby")
    expect(page.locator("#camera-lobby")).to_contain_text("No streamer has reported this camera yet")
    expect(page.locator("#no-cameras")).to_be_hidden()


def test_text_from_outside_stays_text(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.camera("door", "failed", error=XSS, faces=0)
    feed.camera(f"evil{XSS}", "live", faces=0)
    feed.score("door", 0.9, reason=XSS, model=f"baseline{XSS}")
    feed.alert("a1", "new", f"evil{XSS}", model=f"baseline{XSS}", track=XSS)
    one = dashboard().synced()
    page.goto(one.http)
    expect(page.locator("#camera-door .error")).to_have_text(XSS)
    expect(page.locator("camera-card h3").nth(1)).to_have_text(f"evil{XSS}")
    expect(page.locator("alert-item h3")).to_have_text(f"evil{XSS}")
    expect(page.locator("alert-item .foot")).to_contain_text(XSS)
    feed.alert("a2", "new", XSS)
    expect(page.locator("#announcer")).to_contain_text(XSS)
    assert page.evaluate("window.pwned") is None
    assert page.locator("main script, main img[src=x]").count() == 0


def test_the_token_is_asked_for_once_and_kept_out_of_addresses(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.bus.set(feed.keys.preview("door"), jpeg())
    one = dashboard(token="s3cret").synced()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with kept_up(lambda: feed.camera("door", faces=0)):
        page.goto(one.http)
        field = page.get_by_label("Password or token")
        field.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#login-trouble")).to_contain_text("is wrong")
        field.fill("s3cret")
        page.keyboard.press("Enter")
        verdict(page, "door", "No face")
        expect(page.locator("#camera-door img")).to_be_visible()
        page.reload()
        verdict(page, "door", "No face")
        expect(page.locator("#login")).to_be_hidden()
    assert asked
    assert not [url for url in asked if "s3cret" in url]


def test_the_keyboard_reaches_a_camera_in_need(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.camera("door", "timeout", faces=0)
    one = dashboard(stale_after_s=60).synced()
    page.goto(one.http)
    chip = page.get_by_role("button", name="door: offline")
    expect(chip).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for view in ("Live", "History", "System", "Wall"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=view, exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(chip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#camera-door")).to_be_focused()


@pytest.mark.parametrize("width", [360, 800, 1920])
def test_no_width_needs_sideways_scrolling(page: Page, dashboard: Start, feed: Feed, width: int) -> None:
    services(feed)
    for number in range(6):
        feed.camera(f"a-camera-with-quite-a-long-name-{number}", "unsupported-codec", error="x" * 300, faces=0)
    feed.alert("a1", camera="a-camera-with-quite-a-long-name-that-does-not-end")
    one = dashboard(stale_after_s=60).synced()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(one.http)
    expect(page.locator("camera-card")).to_have_count(6)
    expect(page.locator("alert-item")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
