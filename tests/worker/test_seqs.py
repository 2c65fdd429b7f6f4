import itertools

from hypothesis import given
from hypothesis import strategies as st

from worker import seqs


@given(st.lists(st.integers(0, 60)))
def test_is_a_set(numbers: list[int]) -> None:
    ranges: seqs.Ranges = ()
    for number in numbers:
        ranges = seqs.add(ranges, number)
    assert [n for n in range(62) if seqs.contains(ranges, n)] == sorted(set(numbers))
    missing = [n for n in range(62) if not seqs.contains(ranges, n)]
    assert all(seqs.after(ranges, n) == next(m for m in missing if m >= n) for n in range(62))
    for (_, last), (first, _) in itertools.pairwise(ranges):
        assert first > last + 1, "touching ranges are one"


def test_beyond_the_limit_only_the_oldest_gap_is_forgotten() -> None:
    ranges: seqs.Ranges = ()
    for number in range(0, 2 * seqs.LIMIT + 2, 2):
        ranges = seqs.add(ranges, number)
    assert len(ranges) == seqs.LIMIT
    assert seqs.contains(ranges, 1), "the lowest gap is closed"
    assert not seqs.contains(ranges, 3)


def test_consecutive_numbers_stay_one_range() -> None:
    ranges: seqs.Ranges = ()
    for number in range(100_000):
        ranges = seqs.add(ranges, number)
    assert ranges == ((0, 99_999),)
