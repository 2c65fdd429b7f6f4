"""The alert drawer, the history, the system view, the wall, and what an operator does in them."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import redis
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.feed import BASELINE, Feed
from tests.dashboard.pages import XSS, Start, axe_source, findings, jpeg, kept_up, pumped, services, until
from wire.keys import Keys
from wire.messages import Snooze


def video(folder: Path) -> bytes:
    """A second of grey, as a browser plays it."""
    path = folder / "clip.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for _ in range(10):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.full((90, 160, 3), 120, np.uint8), format="bgr24"))
            )
        container.mux(stream.encode(None))
    return path.read_bytes()


def crops(count: int = 16) -> list[bytes]:
    return [bytes(cv2.imencode(".jpg", np.full((64, 64, 3), 10 * n, np.uint8))[1].tobytes()) for n in range(count)]


def past(feed: Feed, id: str, camera: str, **changes: object) -> None:
    feed.alert(id, "new", camera, **changes)
    feed.alert(id, "end", camera, **changes)


def test_an_alert_with_all_its_evidence(page: Page, dashboard: Start, feed: Feed, tmp_path: Path) -> None:
    services(feed)
    one = dashboard(stale_after_s=60).synced()
    feed.alert("a1", "new", "door")
    feed.all_evidence("a1", crops(), video(tmp_path))
    page.goto(f"{one.http}/#/alert/a1")
    drawer = page.locator("#drawer")
    expect(drawer.locator("h2")).to_have_text("Possible deepfake on door")
    expect(drawer.locator(".crop")).to_have_count(16)
    expect(drawer.locator(".crop[data-peak] figcaption")).to_have_text("0.94")
    expect(drawer.locator("svg.trace")).to_have_attribute("aria-label", re.compile(r"2 scores .* highest 0\.90"))
    expect(drawer).to_contain_text("it does not prove")
    expect(drawer).to_contain_text("sharpness 80")
    expect(drawer).to_contain_text("1280 × 720, 25.0 fps")
    expect(drawer).to_contain_text("h264, as the camera sent it")
    until(page, "document.querySelector('#drawer video').readyState >= 1")
    until(page, "[...document.querySelectorAll('.crop img')].every(i => i.naturalWidth)")
    with page.expect_download() as saving:
        drawer.get_by_role("button", name="Export as ZIP").click()
    archive = zipfile.ZipFile(io.BytesIO(Path(saving.value.path()).read_bytes()))
    assert archive.testzip() is None
    assert {"manifest.json", "SHA256SUMS", "crops/00.jpg", "clip.mp4"} <= set(archive.namelist())
    assert saving.value.suggested_filename == "unmask-a1.zip"
    feed.alert("a1", "end", "door")
    expect(drawer.locator(".when")).to_contain_text("scores fell below the threshold")


def test_evidence_that_comes_late_appears_by_itself(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    one = dashboard(stale_after_s=60).synced()
    feed.alert("a1", "new", "door")
    feed.evidence("a1", crops())
    page.goto(f"{one.http}/#/alert/a1")
    drawer = page.locator("#drawer")
    expect(drawer).to_contain_text("The heat map is being made…")
    feed.all_evidence("a1", crops())
    expect(drawer.locator(".heat img")).to_be_visible()


def test_drawer_and_history_recover_from_a_restart(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    one = dashboard(stale_after_s=60).synced()
    past(feed, "a1", "door")
    feed.all_evidence("a1", crops())
    page.goto(f"{one.http}/#/history")
    expect(page.locator(".history tbody tr")).to_have_count(1)
    until(page, "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/trace.js'))")
    one.stop()
    page.get_by_role("link", name=re.compile(r":")).first.click()
    expect(page.locator("#drawer")).to_contain_text("this page tries again")
    page.get_by_role("button", name="False alarm").click()
    expect(page.locator("#drawer .trouble")).to_contain_text("Not kept")
    one.start()
    expect(page.locator("#drawer .crop")).to_have_count(16)
    page.keyboard.press("Escape")
    one.stop()
    page.get_by_label("Severity").select_option("critical")
    expect(page.locator("#view")).to_contain_text("The dashboard does not answer")
    one.start()
    expect(page.locator(".history tbody tr")).to_have_count(1)


def test_a_verdict_is_kept_and_seen_on_another_page(
    page: Page, browser: Browser, dashboard: Start, feed: Feed, bus: redis.Redis, keys: Keys
) -> None:
    services(feed)
    one = dashboard(stale_after_s=60).synced()
    feed.alert("a1", "new", "door")
    page.goto(f"{one.http}/#/alert/a1")
    other = browser.new_page()
    other.goto(f"{one.http}/#/alert/a1")
    said = page.locator(".said")
    expect(said).to_have_text("Nobody has judged this alert yet.")
    page.get_by_label("Note").fill("a poster <b>")
    page.get_by_role("button", name="False alarm").click()
    expect(said).to_contain_text("False alarm")
    expect(said).to_contain_text("a poster <b>")
    expect(other.locator(".said")).to_contain_text("a poster <b>")
    expect(other.locator("alert-item .reviewed")).to_have_text("False alarm")
    assert bus.exists(keys.review("a1"))
    feed.alert("a1", "update", "door", score=0.5)
    expect(page.locator("#drawer .scores")).to_contain_text("Score 0.50")
    expect(said).to_contain_text("False alarm"), "an event of the worker's takes no verdict back"
    other.get_by_label("Note").fill("no: a mask")
    other.get_by_role("button", name="Confirmed").click()
    expect(page.get_by_label("Note")).to_have_value("no: a mask")
    page.get_by_role("button", name="Take back").click()
    expect(other.get_by_label("Note")).to_have_value("")
    expect(said).to_have_text("Nobody has judged this alert yet.")
    other.close()


def test_an_alert_that_is_not_known_and_one_about_a_camera(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    one = dashboard(stale_after_s=60).synced()
    page.goto(f"{one.http}/#/alert/none")
    expect(page.locator("#drawer")).to_contain_text("not known, or it is no longer kept")
    feed.alert("c1", "new", "yard", kind="offline", severity="warning", score=None, peak=None, mean=None,
               threshold=None, model="", track="", windows=0, detail="the camera does not answer")  # fmt: skip
    expect(page.locator("alert-item .kind")).to_have_text("Camera offline: the camera does not answer")
    page.goto(f"{one.http}/#/alert/c1")
    expect(page.locator("#drawer h2")).to_have_text("Camera offline on yard")
    expect(page.locator("#drawer")).to_contain_text("there are no faces to show")


def test_the_keyboard_path(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    one = dashboard(stale_after_s=60).synced()
    for id in ("a1", "a2", "a3"):
        past(feed, id, f"cam-{id}", started=1_700_000_000.0 + ord(id[1]))
    page.goto(one.http)
    expect(page.locator("alert-item")).to_have_count(3)
    links = page.locator("alert-item h3 a")
    page.keyboard.press("j")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    heading = page.locator("#drawer h2")
    expect(heading).to_have_text("Possible deepfake on cam-a2")
    page.keyboard.press("j")
    expect(heading).to_have_text("Possible deepfake on cam-a1")
    page.keyboard.press("k")
    expect(heading).to_have_text("Possible deepfake on cam-a2")
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    for key, words in (("h", "History"), ("s", "System")):
        page.keyboard.press(key)
        expect(page.locator("#view h2")).to_have_text(words)
    page.go_back()
    expect(page.locator(".history tbody tr")).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(heading).to_have_text("Possible deepfake on cam-a3")
    page.keyboard.press("Escape")
    expect(page.locator("#view h2")).to_have_text("History")
    page.keyboard.press("w")
    expect(page.locator("#wall-calm")).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator("#wall-calm")).to_have_count(0)


def test_history_filters_pages_and_links(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    for number in range(60):
        past(feed, f"h{number}", f"lobby-{number % 2}", started=1_700_000_000.0 + number, severity="warning")
    feed.alert("live", "new", "yard")
    one = dashboard(stale_after_s=60).synced()
    page.goto(f"{one.http}/#/history")
    rows = page.locator(".history tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Older alerts").click()
    expect(rows).to_have_count(61)
    expect(page.get_by_role("button", name="Older alerts")).to_be_hidden()
    page.get_by_label("Camera", exact=True).fill("lobby-1")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(30)
    assert "camera=lobby-1" in page.url
    page.reload()
    expect(rows).to_have_count(30)
    feed.alert("other", "new", "gate")
    feed.alert("fits", "new", "lobby-1", severity="warning")
    expect(page.get_by_role("button", name="1 new alert: show")).to_be_visible()
    page.get_by_label("State").select_option("open")
    expect(rows).to_have_count(1)
    expect(page.get_by_text("1 alert", exact=True)).to_be_visible()
    page.get_by_label("Kind").select_option("frozen")
    expect(page.locator("#view")).to_contain_text("No alert fits these filters.")
    page.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("still open")
    feed.alert("new", "new", "gate")
    fresh = page.get_by_role("button", name="1 new alert: show")
    expect(fresh).to_be_visible()
    expect(rows).to_have_count(50), "nothing jumps"
    fresh.click()
    expect(rows.first).to_contain_text("gate")
    rows.first.click(position={"x": 300, "y": 10})
    expect(page.locator("#drawer h2")).to_have_text("Possible deepfake on gate")


def test_the_system_view_says_it_in_words(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.service("worker", model=BASELINE, device="cpu, 2 threads", caveat="a baseline", busy=0.99, batch_fill=1.0)
    one = dashboard(stale_after_s=60).synced()
    with kept_up(lambda: feed.score("door", 0.2)):
        page.goto(f"{one.http}/#/system")
        view = page.locator("#view")
        expect(view.locator("[data-stage=total]")).to_contain_text("ms")
        expect(view).to_contain_text("cpu, 2 threads")
        expect(view).to_contain_text("99 %")
        expect(view.locator(".capacity")).not_to_be_empty()
        expect(view).to_contain_text("of 256 MB")
    feed.bus.hincrby(feed.keys.outcomes, "stale", 700)
    expect(view.get_by_role("row", name="too old when its turn came")).to_contain_text("700")
    expect(view.locator(".capacity")).to_have_text("Out of capacity", timeout=40_000)  # after LEAST_S of counting


def test_on_a_telephone_no_part_of_the_system_view_lies_beyond_the_edge(
    page: Page, dashboard: Start, feed: Feed
) -> None:
    feed.service(
        "worker", model=BASELINE, device="OpenVINO, bf16, 2 threads", caveat="a baseline: AUC 0.71 on unseen swaps",
        busy=0.93, batch_fill=0.4,
    )  # fmt: skip
    one = dashboard(stale_after_s=60).synced()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{one.http}/#/system")
    expect(page.locator(".services .caveat").first).to_have_text(" a baseline: AUC 0.71 on unseen swaps")
    assert page.evaluate("[...document.querySelectorAll('#view *')].every(e => e.getBoundingClientRect().right <= 390)")


def test_a_camera_is_snoozed_and_woken(page: Page, dashboard: Start, feed: Feed, bus: redis.Redis, keys: Keys) -> None:
    services(feed)
    feed.camera("door", faces=0)
    one = dashboard(stale_after_s=60).synced()
    page.goto(one.http)
    box = page.get_by_label("Alerts of door")
    expect(box.locator("option").first).to_have_text("Alerts on")
    box.select_option("15")
    expect(box.locator("option").first).to_contain_text(re.compile(r"Snoozed, 1[45] min"))
    data = bus.get(keys.snooze("door"))
    assert isinstance(data, bytes)
    assert Snooze.decode(data).camera == "door"
    box.select_option("end")
    expect(box.locator("option").first).to_have_text("Alerts on")
    assert not bus.exists(keys.snooze("door"))
    page.get_by_label("Alerts of all cameras").select_option("60")
    expect(box.locator("option").first).to_contain_text("Snoozed")


def test_the_wall_puts_trouble_first_and_does_not_scroll(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    for number in range(7):
        feed.camera(f"cam-{number}", "timeout" if number == 5 else "live", faces=0)
    one = dashboard(stale_after_s=60).synced()
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.goto(f"{one.http}/#/wall")
    expect(page.locator("camera-card")).to_have_count(7)
    expect(page.locator("#wall-calm")).to_contain_text("7 cameras watched, 1 needs attention")
    expect(page.locator(".top")).to_be_hidden()
    until(
        page,
        "[...document.querySelectorAll('camera-card')].every(c => c.getBoundingClientRect().bottom <= innerHeight)",
    )
    first = "[...document.querySelectorAll('camera-card')].sort((a, b) => a.style.order - b.style.order)[0].id"
    assert page.evaluate(first) == "camera-cam-5"
    feed.alert("a1", "new", "cam-1")
    expect(page.locator("#wall-calm")).to_contain_text("1 open alert")
    expect(page.locator("alert-item")).to_be_visible()
    feed.alert("a2", "new", "a-camera-whose-name-is-very-long-indeed-as-long-as-names-may-be")
    expect(page.locator("alert-item")).to_have_count(2)
    assert page.evaluate(
        "[...document.querySelectorAll('alert-item h3')].every((one) => one.scrollWidth <= one.clientWidth)"
    )
    right = "(what) => Math.max(...[...document.querySelectorAll(what)].map((e) => e.getBoundingClientRect().right))"
    assert page.evaluate(right, "alert-item") <= page.evaluate(right, ".feed")
    for number in range(7, 120):  # too many for it, at any size
        feed.camera(f"cam-{number}", faces=0)
    expect(page.locator("camera-card")).to_have_count(120)
    for size in ({"width": 1280, "height": 720}, {"width": 320, "height": 640}):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        until(
            page,
            """[...document.querySelectorAll('camera-card')].every(c => c.offsetWidth >= 130)
               && document.documentElement.scrollHeight > innerHeight
               && document.documentElement.scrollWidth <= innerWidth""",
        )


def test_sound_and_notifications_only_when_asked_for(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    one = dashboard(stale_after_s=60).synced()
    page.context.grant_permissions(["notifications"], origin=one.http)
    page.add_init_script(
        "window.told = []; window.tones = 0;"
        "window.Notification = class { constructor(title, rest) { told.push([title, rest.body]); } "
        "  static permission = 'granted'; static requestPermission = async () => 'granted'; };"
        "const start = OscillatorNode.prototype.start; "
        "OscillatorNode.prototype.start = function (...a) { tones++; return start.apply(this, a); };"
    )
    page.goto(one.http)
    feed.alert("a1", "new", "door")
    expect(page.locator("alert-item")).to_have_count(1)
    assert page.evaluate("[told.length, tones]") == [0, 0]
    page.get_by_label("Sound of new alerts").select_option("once")
    page.get_by_role("button", name="Notify me").click()
    expect(page.get_by_role("button", name="Notifying")).to_be_visible()
    before = page.evaluate("tones")
    feed.alert("a2", "new", "yard")
    until(page, "told.length === 1")
    assert page.evaluate("told[0]") == ["Possible deepfake on yard", "critical: peak score 0.97"]
    assert page.evaluate("tones") > before
    later = page.context.new_page()
    later.add_init_script(  # whatever Playwright evaluates counts as a gesture: only real ones may count
        "let touched = false; addEventListener('pointerdown', () => { touched = true; }, true);"
        "Object.defineProperty(navigator, 'userActivation', { value: { get hasBeenActive() { return touched; } } });"
        "Object.defineProperty(AudioContext.prototype, 'state', { get: () => (touched ? 'running' : 'suspended') });"
    )
    later.goto(one.http)
    expect(later.get_by_label("Sound of new alerts")).to_have_value("once")
    expect(later.locator("#banners")).to_contain_text("keeps the sound of alerts silent until you click")
    later.locator("h1").click()
    expect(later.locator("#banners")).to_be_empty()


def test_the_page_remembers_a_bounded_number_of_alerts(page: Page, dashboard: Start) -> None:
    page.goto(dashboard().synced().http)
    kept = page.evaluate(
        "import('/static/page.js').then(({ page, remember }) => {"
        "  for (let n = 0; n < 3000; n++) remember({ id: `a${n}`, ended: n === 0 ? null : n });"
        "  return [page.alerts.size, page.alerts.has('a0'), page.alerts.has('a2999')]; })"
    )
    assert kept[0] <= 600
    assert kept[1:] == [True, True], "what is open stays, and the newest"


def test_themes_are_remembered(page: Page, dashboard: Start, feed: Feed) -> None:
    one = dashboard(stale_after_s=60).synced()
    page.goto(one.http)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_label("Theme").select_option("light")
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == light
    page.get_by_label("Theme").select_option("system")
    assert page.evaluate(ground) == dark


def test_the_first_paint_costs_less_than_100_kb(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.camera("door", faces=0)
    one = dashboard(stale_after_s=60).synced()
    sizes: dict[str, int] = {}
    page.on("requestfinished", lambda request: sizes.update({request.url: request.sizes()["responseBodySize"]}))
    page.goto(one.http)
    expect(page.locator("#camera-door .verdict")).to_have_text("No face")

    def static() -> dict[str, int]:
        return {url: size for url, size in sizes.items() if "/api/" not in url}

    pumped(page, lambda: len(static()) > 8, "the sizes of the page's files are known")
    assert sum(static().values()) < 100_000, static()


def test_text_from_outside_stays_text_in_every_view(page: Page, dashboard: Start, feed: Feed, bus: redis.Redis) -> None:
    services(feed)
    feed.service("worker", model=XSS, device=XSS, caveat=XSS, detail=XSS)
    feed.alert("a1", "new", f"evil{XSS}", model=f"m{XSS}", kind="offline", detail=XSS)
    feed.evidence("a2", [jpeg()])
    feed.alert("a2", "new", XSS)
    one = dashboard(stale_after_s=60).synced()
    for place in ("#/history", "#/system", "#/alert/a2", "#/alert/a1", f"#/alert/{XSS}", f"#/history?camera={XSS}"):
        page.goto(f"{one.http}/{place}")
        page.wait_for_load_state("networkidle")
    page.goto(f"{one.http}/#/alert/a2")
    page.get_by_label("Note").fill(XSS)
    page.get_by_role("button", name="Confirmed").click()
    expect(page.locator(".said")).to_contain_text(XSS)
    assert page.evaluate("window.pwned") is None
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("width", [360, 1024, 3840])
def test_no_view_needs_sideways_scrolling(page: Page, dashboard: Start, feed: Feed, width: int) -> None:
    services(feed)
    feed.service("worker", model=BASELINE, device="cpu", caveat="a caveat of many words that goes on and on", busy=0.2)
    feed.camera("a-camera-with-quite-a-long-name-that-does-not-end", faces=0)
    feed.alert("a1", "new", "a-camera-with-quite-a-long-name-that-does-not-end")
    feed.all_evidence("a1", crops())
    one = dashboard(stale_after_s=60).synced()
    page.set_viewport_size({"width": width, "height": 900})
    marks = {"#/": "alert-item", "#/history": ".history tr", "#/system": ".stages", "#/wall": "#wall-calm"}
    for place, wanted in {**marks, "#/alert/a1": ".crop"}.items():
        page.goto(f"{one.http}/{place}")
        expect(page.locator(wanted).first).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
    assert page.evaluate("(d => d.scrollWidth <= d.clientWidth)(document.querySelector('#drawer'))")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(
    page: Page, dashboard: Start, feed: Feed, theme: str, pytestconfig: pytest.Config
) -> None:
    assert pytestconfig.cache
    axe = axe_source(pytestconfig.cache)
    services(feed)
    feed.service("worker", model=BASELINE, device="cpu", caveat="a baseline", busy=0.2)
    feed.alert("a1", "new", "door")
    feed.all_evidence("a1", [jpeg()] * 16)
    past(feed, "a2", "yard", severity="warning")
    feed.alert("c1", "new", "gate", kind="offline", severity="warning", score=None, peak=None, mean=None,
               threshold=None, model="", detail="the camera does not answer")  # fmt: skip
    one = dashboard(stale_after_s=60).synced()

    def living() -> None:
        for name, p in (("door", 0.95), ("lobby", 0.1), ("hall", 0.6)):
            feed.camera(name)
            feed.score(name, p)
        feed.camera("gate", "timeout", faces=0, error="no answer")
        feed.camera("yard", "frozen", faces=0)
        feed.bus.set(feed.keys.preview("door"), jpeg())

    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    with kept_up(living):
        marks = {"#/": "camera-card[data-verdict=fake]", "#/history": ".history td", "#/system": ".stages"}
        for place, wanted in {**marks, "#/wall": "#wall-calm", "#/alert/a1": ".heat img"}.items():
            page.goto(f"{one.http}/{place}")
            expect(page.locator(wanted).first).to_be_attached()
            page.wait_for_timeout(300)  # fonts and animations settle
            assert findings(page, axe) == [], place
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.locator("#help")).to_be_visible()
        assert findings(page, axe) == [], "help"
