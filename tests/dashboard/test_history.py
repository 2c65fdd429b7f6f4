from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dashboard.cursors import START
from dashboard.history import AlertBook, Entry, RecentEvents
from tests.dashboard.feed import alert_event


def entry(number: int) -> Entry:
    return Entry.of((number, 0), alert_event(f"a{number}"))


@given(st.integers(0, 120), st.integers(0, 120), st.integers(1, 30))
def test_what_memory_covers_it_has_whole(written: int, after: int, limit: int) -> None:
    recent = RecentEvents(limit=20)
    for number in range(1, written + 1):
        recent.add(entry(number))
    if recent.covers((after, 0)):
        got = [one.cursor[0] for one in recent.after((after, 0), limit)]
        assert got == list(range(after + 1, written + 1))[:limit]
    else:
        assert after > written or after < recent.base[0]
    assert len(recent.after(START, 1000)) <= 20


def test_memory_does_not_claim_what_it_let_go() -> None:
    recent = RecentEvents(limit=4)
    for number in range(1, 10):
        recent.add(entry(number))
    assert not recent.covers(START)
    assert recent.covers(recent.base)
    assert not recent.covers((10, 0))
    recent.skip((12, 0))
    assert recent.covers((12, 0))


def test_the_book_is_bounded_and_keeps_every_open_alert() -> None:
    book = AlertBook(limit=10)
    for number in range(30):
        book.take(alert_event(f"open{number}", started=float(number)))
    for number in range(100):
        book.take(alert_event(f"ended{number}", "end", started=float(number)))
    assert len(book.open()) == 30
    assert [alert.id for alert in book.open()][:2] == ["open29", "open28"]
    assert len(book.select(None, "ended", None, 1000)) <= 11


def test_an_ended_alert_is_not_opened_by_a_late_update() -> None:
    book = AlertBook()
    book.take(alert_event("a", "new"))
    book.take(alert_event("a", "end"))
    book.take(alert_event("a", "update"))
    assert book.open() == ()
    assert book.get("a") is not None
