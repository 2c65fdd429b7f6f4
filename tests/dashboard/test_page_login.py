"""Signing in on the page, what a role leaves to do there, and signing out: in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

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


def test_a_page_where_nobody_has_to_sign_in_offers_no_signing_out(page: Page, dashboard: Start, feed: Feed) -> None:
    services(feed)
    one = dashboard().synced()
    page.goto(one.http)
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(page.get_by_label("Alerts of all cameras")).to_be_visible()
