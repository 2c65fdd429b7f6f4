from __future__ import annotations

from dashboard.readers import SILENT_S, Readers
from dashboard.tail import BLOCK_MS

TICK_S = 0.5


def following(*names: str) -> Readers:
    """Readers that follow their streams and had an answer at 0."""
    readers = Readers(0.0)
    for name in names:
        readers.begin(name)
        readers.turn(name, "ok")
        readers.answered(name, 0.0)
    return readers


def silent(readers: Readers, since: float, until: float) -> list[str]:
    """Who is silent at the end, where it is looked every TICK_S."""
    found: list[str] = []
    for step in range(1, round((until - since) / TICK_S) + 1):
        found = list(readers.silent(since + step * TICK_S))
    return found


def test_what_all_have_the_whole_has() -> None:
    readers = Readers(0.0)
    readers.begin("a")
    readers.begin("b")
    assert readers.status == "loading"
    readers.turn("a", "ok")
    assert readers.status == "loading"
    readers.turn("b", "ok")
    assert readers.status == "ok"
    readers.turn("a", "lost")
    assert readers.status == "lost"


def test_a_reader_that_waits_for_what_is_new_is_not_silent() -> None:
    assert SILENT_S > BLOCK_MS / 1000
    readers = following("a")
    for second in range(0, 60, 2):
        assert silent(readers, second, second + BLOCK_MS / 1000) == []
        readers.answered("a", second + BLOCK_MS / 1000)


def test_one_without_an_answer_is_silent_after_three_seconds() -> None:
    readers = following("a", "b")
    assert silent(readers, 0.0, 1.0) == []
    readers.answered("b", 1.0)
    assert silent(readers, 1.0, 3.0) == []
    assert silent(readers, 3.0, 3.5) == ["a"]
    assert silent(readers, 3.5, 4.5) == ["a", "b"]
    readers.answered("a", 4.5)
    assert silent(readers, 4.5, 5.0) == ["b"]


def test_one_that_loads_or_is_lost_is_known_to_have_nothing() -> None:
    readers = following("a", "b")
    readers.begin("a")
    readers.turn("b", "lost")
    assert silent(readers, 0.0, 10.0) == []


def test_while_we_stood_still_nobody_was_silent() -> None:
    """What came meanwhile is yet to be read."""
    readers = following("a")
    assert silent(readers, 0.0, 1.5) == []
    assert readers.silent(30.0) == []
    readers.answered("a", 30.0)
    assert silent(readers, 30.0, 33.0) == []
    assert silent(readers, 33.0, 33.5) == ["a"]


def test_a_machine_so_busy_that_we_look_seldom_hides_no_silence() -> None:
    readers = following("a")
    assert not any(readers.silent(1.5 * step) for step in range(1, 3))
    assert any(readers.silent(1.5 * step) for step in range(3, 6))


def test_who_loads_and_had_no_answer_since() -> None:
    readers = following("a")
    for name in ("b", "c"):
        readers.begin(name)
    readers.answered("c", 2.0)
    assert readers.stuck(1.0) == ["b"]
