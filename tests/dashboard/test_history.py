from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dashboard.cursors import START
from dashboard.history import AlertBook, Entry, RecentEvents, place_of
from tests.dashboard.feed import alert_event
from wire.messages import Alert, Review


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
    ended = book.select(lambda alert: alert.ended is not None, 1000)
    assert [alert.id for alert in ended][:2] == ["ended99", "ended98"]
    assert len(ended) <= 11
    assert len(book) == len(book.select(lambda _: True, 1000)) <= 41
    assert book.get("ended80") is None


def test_what_is_no_longer_to_be_kept_is_let_go_and_what_is_open_or_was_told_again_stays() -> None:
    book = AlertBook()
    for number, (id, event) in enumerate([("open", "new"), ("ended", "end"), ("judged", "end"), ("late", "end")]):
        book.take(replace(alert_event(id, event), at=float(number)))
    book.take(replace(alert_event("judged", "review"), at=10.0))
    book.forget(3.0)
    assert {alert.id for alert in book.select(lambda _: True, 10)} == {"open", "judged", "late"}
    book.forget(11.0)
    assert [alert.id for alert in book.select(lambda _: True, 10)] == ["open"] == [one.id for one in book.open()]
    book.take(replace(alert_event("open", "end"), at=20.0))
    book.forget(21.0)
    assert len(book) == 0


def test_memory_that_was_let_go_for_its_age_is_not_claimed() -> None:
    recent = RecentEvents()
    recent.forget(1.0)
    for number in range(1, 6):
        recent.add(entry(1000 * number))
    recent.forget(3.0)
    assert recent.base == (2000, 0)
    assert not recent.covers((1999, 0))
    assert [one.cursor[0] for one in recent.after(recent.base, 10)] == [3000, 4000, 5000]
    recent.forget(9.0)
    assert (recent.base, recent.newest, recent.after(recent.base, 10)) == ((5000, 0), (5000, 0), [])


def test_an_ended_alert_is_not_opened_by_a_late_update() -> None:
    book = AlertBook()
    book.take(alert_event("a", "new"))
    book.take(alert_event("a", "end"))
    book.take(alert_event("a", "update"))
    assert book.open() == ()
    assert book.get("a") is not None


def test_a_review_outlives_what_the_worker_says_after_it() -> None:
    book = AlertBook()
    said = Review(alert="a", verdict="confirmed", note="seen it", at=5.0)
    book.take(alert_event("a", "new", started=1.0, score=0.9))
    book.take(alert_event("a", "review", started=1.0, score=0.9, review=said))
    book.take(alert_event("a", "update", started=1.0, score=0.7))
    kept = book.get("a")
    assert kept is not None
    assert kept.review == said
    assert kept.score == 0.7
    assert book.open() == (kept,)
    book.take(alert_event("a", "end", started=1.0))
    taken_back = Review(alert="a", verdict="none", at=9.0)
    book.take(alert_event("a", "review", started=1.0, review=taken_back))  # written before it knew of the end
    kept = book.get("a")
    assert kept is not None
    assert kept.review == taken_back
    assert kept.ended is not None
    assert book.open() == ()
    assert book.reviewed() == {"none": 1, "confirmed": 0, "false-alarm": 0}


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9), st.sampled_from(["new", "end", "update"])), max_size=60),
    st.integers(1, 8),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_pages_are_the_whole_in_order_whatever_came(
    events: list[tuple[int, int, str]], limit: int, since: int, until: int
) -> None:
    book = AlertBook()
    for number, started, event in events:  # an alert's start may even move
        book.take(alert_event(f"a{number}", event, started=float(started)))
    known = [alert for number in range(31) if (alert := book.get(f"a{number}"))]
    wanted = [one for one in known if since <= one.started <= until and one.ended is None]
    paged: list[Alert] = []
    before = None
    while page := book.select(lambda alert: alert.ended is None, limit, before, float(since), float(until)):
        assert len(page) <= limit
        paged += page
        before = place_of(page[-1])
    assert paged == sorted(wanted, key=place_of, reverse=True)
