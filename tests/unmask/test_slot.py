"""Several `unmask run` on one machine and one Redis."""

from __future__ import annotations

import sys
import uuid

import pytest

from unmask.slot import Slot


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets")
def test_each_has_a_number_of_its_own_and_gives_it_back() -> None:
    url = f"redis://{uuid.uuid4().hex}/0"
    with Slot(url, "unmask:") as one, Slot(url, "unmask:") as two, Slot(url, "other:") as other:
        assert (one.number, two.number, other.number) == (0, 1, 0)
    with Slot(url, "unmask:") as again:
        assert again.number == 0
