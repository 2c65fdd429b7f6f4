"""Signing in on the page, what a role leaves to do there, and signing out: in a real browser."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from playwright.sync_api import Page, expect

from dashboard.access.principal import Principal
from dashboard.access.users import Access
from tests.dashboard.feed import Feed
from tests.dashboard.pages import Start, axe_source, findings, jpeg, kept_up, services, verdict
from tests.dashboard.people import person, secret

USERS = (person("anna", "viewer", "lobby-*"), person("otto", "operator"))


def sign_in(page: Page, name: str) -> None:
    """By keyboard alone."""
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    expect(page.get_by_label("Password or token")).to_be_focused()
    page.keyboard.type(secret(name))
    page.keyboard.press("Enter")


def test_a_viewer_of_some_cameras_sees_these_and_may_change_nothing(
    page: Page, dashboard: Start, feed: Feed, request: pytest.FixtureRequest
) -> None:
    assert request.config.cache
    axe = axe_source(request.config.cache)
    services(feed)
    feed.bus.set(feed.keys.preview("lobby-1"), jpeg())
    feed.alert("a1", camera="lobby-1")
    feed.alert("a2", camera="vault")
    one = dashboard(users=USERS, stale_after_s=60).synced()

    def living() -> None:
        for name in ("lobby-1", "vault"):
            feed.camera(name, faces=0)

    with kept_up(living):
        page.goto(one.http)
        expect(page.locator("#login")).to_be_visible()
        expect(page.locator("header.top")).to_be_hidden()
        assert findings(page, axe) == []
        sign_in(page, "anna")
        verdict(page, "lobby-1", "No face")
        expect(page.locator("#login")).to_be_hidden()
        expect(page.locator("#camera-lobby-1 img")).to_be_visible()
        expect(page.locator("camera-card")).to_have_count(1)
        expect(page.locator("alert-item h3")).to_have_text(["lobby-1"])
        expect(page.locator("#who")).to_have_text("anna · viewer, lobby-*")
        expect(page.get_by_label("Alerts of lobby-1")).to_be_disabled()
        expect(page.get_by_label("Alerts of all cameras")).to_be_hidden()
        expect(page.get_by_role("link", name="System")).to_be_hidden()
        assert findings(page, axe) == []
        page.get_by_role("link", name="lobby-1").first.click()
        expect(page.locator("#drawer")).to_contain_text("Nobody has judged this alert yet")
        expect(page.locator("#drawer").get_by_role("button", name="False alarm")).to_have_count(0)
        page.goto(f"{one.http}/#/system")
        expect(page.locator("#view")).to_contain_text("you may see some of them only")
        assert "vault" not in page.content()
        assert page.evaluate("document.cookie + JSON.stringify([{...localStorage}, {...sessionStorage}])") == "[{},{}]"


def test_an_operator_judges_by_name_and_signs_out_of_all_pages(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    feed.camera("vault", faces=0)
    feed.alert("a2", camera="vault")
    one = dashboard(users=USERS, stale_after_s=60).synced()
    page.goto(one.http)
    sign_in(page, "otto")
    expect(page.locator("#who")).to_have_text("otto · operator")
    expect(page.get_by_label("Alerts of all cameras")).to_be_visible()
    other = page.context.new_page()
    other.goto(one.http)  # the same browser is in already
    expect(other.locator("camera-card")).to_have_count(1)
    page.get_by_role("link", name="vault").first.click()
    page.get_by_role("button", name="False alarm").click()
    expect(page.locator(".said")).to_contain_text("False alarm by otto")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sign out").click()
    for one_page in (page, other):
        expect(one_page.locator("#login")).to_be_visible()
        expect(one_page.get_by_text("vault").first).to_be_hidden()
    expect(page.locator("camera-card")).to_have_count(0)
    other.bring_to_front()
    other.get_by_label("Name", exact=True).fill("anna")
    other.get_by_label("Password or token").fill(secret("anna"))
    other.keyboard.press("Enter")
    expect(other.locator("#who")).to_have_text("anna · viewer, lobby-*")
    expect(other.locator("camera-card")).to_have_count(0)
    assert "vault" not in other.content()


def test_whoever_may_see_less_from_now_on_keeps_nothing_on_an_open_page(
    page: Page, dashboard: Start, feed: Feed
) -> None:
    services(feed)
    feed.alert("a1", camera="lobby-1")
    feed.alert("a2", camera="vault")
    feed.alert("a3", camera="vault")
    feed.alert("a3", "end", camera="vault")
    anna = person("anna", "operator")
    one = dashboard(users=(anna,), stale_after_s=60).synced()
    page.goto(one.http)
    sign_in(page, "anna")
    expect(page.locator("alert-item h3")).to_have_count(3)
    page.goto(f"{one.http}/#/alert/a2")
    expect(page.locator("#drawer").get_by_role("button", name="False alarm")).to_be_visible()
    one.stop()
    less = replace(anna, principal=Principal("anna", "viewer", ("lobby-*",)))
    one.config = replace(one.config, access=Access(None, {"anna": less}))
    one.start()
    expect(page.locator("#who")).to_have_text("anna · viewer, lobby-*")
    expect(page.locator("alert-item h3")).to_have_text(["lobby-1"])
    expect(page.locator("#drawer")).to_contain_text("not known")
    expect(page.get_by_role("button", name="False alarm")).to_have_count(0)
    assert "vault" not in page.content()


def test_whoever_signs_in_elsewhere_in_the_same_browser_sees_nothing_of_who_was_there_before(
    page: Page, dashboard: Start, feed: Feed
) -> None:
    services(feed)
    feed.alert("a1", camera="lobby-1")
    feed.alert("a2", camera="vault")
    one = dashboard(users=USERS, stale_after_s=60).synced()
    page.goto(one.http)
    sign_in(page, "otto")
    expect(page.locator("alert-item h3")).to_have_count(2)
    signed_in = httpx.post(f"{one.http}/api/v1/login", json={"name": "anna", "password": secret("anna")})
    one.stop()  # what this page can't be told of happens meanwhile
    page.context.add_cookies([{"name": "unmask", "value": signed_in.cookies["unmask"], "url": one.http}])
    one.start()
    expect(page.locator("#who")).to_have_text("anna · viewer, lobby-*")
    expect(page.locator("alert-item h3")).to_have_text(["lobby-1"])
    assert "vault" not in page.content()


def test_a_page_where_nobody_has_to_sign_in_offers_no_signing_out(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    one = dashboard().synced()
    page.goto(one.http)
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(page.get_by_label("Alerts of all cameras")).to_be_visible()
