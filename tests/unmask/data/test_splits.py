"""No group and no person on both sides, whatever the ties between them are."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from unmask.data.layouts import Item
from unmask.data.splits import assign, components, divide


def ffpp(pairs: list[tuple[int, int]]) -> list[Item]:
    """The originals and fakes of a graph of pairs."""
    people = sorted({f"{a:03}" for pair in pairs for a in pair})
    reals = [Item(Path(f"{name}.mp4"), "real", "FF++", name, (name,)) for name in people]
    fakes = [Item(Path(f"{a:03}_{b:03}.mp4"), "fake", "FF++", f"{a:03}", (f"{a:03}", f"{b:03}")) for a, b in pairs]
    return reals + fakes


def sides(items: list[Item], seed: str = "s") -> dict[tuple[str, str], set[str | None]]:
    """Which splits each group and each person occurs in."""
    found: dict[tuple[str, str], set[str | None]] = {}
    for item, split in zip(items, assign(items, seed), strict=True):
        if split is not None:
            for key in (("group", item.group), *(("person", person) for person in item.people)):
                found.setdefault(key, set()).add(split)
    return found


PAIRS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(lambda p: p[0] != p[1]), min_size=1, max_size=60
)


@given(PAIRS, st.text(max_size=4))
def test_no_person_and_no_group_is_in_two_splits(pairs: list[tuple[int, int]], seed: str) -> None:
    assert all(len(splits) == 1 for splits in sides(ffpp(pairs), seed).values())


@given(PAIRS, st.sets(st.integers(0, 40)))
def test_official_parts_do_not_separate_them_either(pairs: list[tuple[int, int]], dev: set[int]) -> None:
    items = [
        Item(i.path, i.label, i.source, i.group, i.people, split="dev" if int(i.people[0]) in dev else "train")
        for i in ffpp(pairs)
    ]
    assert all(len(splits) == 1 for splits in sides(items).values())


@given(PAIRS, st.randoms())
def test_the_order_of_the_clips_does_not_matter(pairs: list[tuple[int, int]], random: object) -> None:
    items = ffpp(pairs)
    mixed = list(items)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    first, second = (dict(zip([i.path for i in x], assign(x, "s"), strict=True)) for x in (items, mixed))
    assert first == second


def test_components_follow_chains() -> None:
    items = ffpp([(0, 1), (1, 2), (5, 6)])
    found = [{items[index].group for index in members} for members in components(items)]
    assert found == [{"000", "001", "002"}, {"005", "006"}]


def test_two_pairs_of_ten_are_a_tenth() -> None:
    """Nothing is left out where the ties are short, and about a tenth is kept for dev."""
    splits = assign(ffpp([(2 * n, 2 * n + 1) for n in range(100)]), "s")
    assert splits.count("dev") == 30
    assert splits.count(None) == 0


def test_people_tied_all_together_are_divided() -> None:
    """Twenty who were all swapped with each other: two for dev, and what shows both sides is left out."""
    items = ffpp([(a, b) for a in range(20) for b in range(20) if a != b])
    splits = assign(items, "s")
    assert splits.count("dev") == 2 + 2
    assert splits.count("train") == 18 + 18 * 17
    assert splits.count(None) == 2 * 2 * 18


def test_sources_do_not_mix_and_the_seed_decides() -> None:
    one = ffpp([(2 * n, 2 * n + 1) for n in range(30)])
    other = [Item(i.path, i.label, "other", i.group, i.people) for i in one]
    assert assign(one, "s") == assign(one + other, "s")[: len(one)]
    assert assign(one, "s") != assign(one, "t")


def test_divide() -> None:
    assert divide(["only"], [5], "s") == ["train"]
    assert sorted(divide(["a", "b"], [1, 1], "s")) == ["dev", "train"]
    assert divide(["a", "b"], [1, 99], "s") == ["dev", "train"]  # the large one would be nearly everything
