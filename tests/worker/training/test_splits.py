"""The fixed splits: the same groups and people for all time."""

from __future__ import annotations

from worker.training.splits import CALIBRATION_GROUPS, HELD_GROUPS, person_split, split_groups


def test_split_is_fixed_and_of_the_announced_size() -> None:
    groups = {f"g{i}" for i in range(1500)}
    split = split_groups(groups)
    held = {group for group, part in split.items() if part == "held"}
    assert len(held) == HELD_GROUPS
    assert sum(part == "calibration" for part in split.values()) == CALIBRATION_GROUPS
    assert sorted(group for group in split if split[group] == "calibration")[:3] == ["g1004", "g1008", "g1009"]
    # one group less moves nobody from train to held but the one that takes its place
    fewer = {group for group, part in split_groups(groups - {sorted(held)[0]}).items() if part == "held"}
    assert len(held & fewer) == HELD_GROUPS - 1


def test_person_split_holds_out_one_in_ten() -> None:
    held = sum(person_split(f"person {i}") == "held" for i in range(2000))
    assert 140 < held < 260
