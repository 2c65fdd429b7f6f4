"""The fuzz targets, briefly: all seeds, the whole corpus, some hundred mutations each; and texts of a megabyte."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import kept, mutated
from tests.fuzz.targets import TARGETS, redaction, seeds
from wire.redact import redact

BRIEF = {
    "evidence": 40, "configuration": 60, "publisher": 60, "probe": 100, "device": 30, "plugin": 100, "receiver": 100,
    "web": 60,
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_what_is_promised_is_raised(name: str) -> None:
    pool = seeds(name) + kept(name)
    source = random.Random(1)
    for data in pool + [mutated(source, pool) for _ in range(BRIEF.get(name, 300))]:
        TARGETS[name](data)


PIECES = st.lists(
    st.sampled_from(["://", "@", ":", "'", '"', "/", "?key=", "&token=", "#", " ", "a", "***", "x", "\n"]), max_size=24
).map("".join)


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(PIECES)
def test_redaction_changes_nothing_twice(text: str) -> None:
    redaction(text.encode())


@pytest.mark.parametrize(
    "piece", ["a", ":", "@", "://", "a://", "a://:", "a://:@", "x://a'", "?key=", "&", "a:", "'", "://@'", "a://b'c@d:"]
)
def test_a_megabyte_is_redacted_in_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    redact(text)
    redact("x://" + text)
    assert time.process_time() - began < 10
