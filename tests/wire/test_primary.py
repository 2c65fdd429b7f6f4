"""Who is asked for the primary, where several threads of a pool ask at once."""

from __future__ import annotations

import redis

from wire import slots
from wire.primary import Finder, Node

NODES = (("n1", 1), ("n2", 2), ("n3", 3))


class Looking(tuple[str, int]):
    """A node; whoever compares it with another looks at the finder's list, as another thread may at that moment."""

    finder: Finder
    seen: list[set[Node]]

    def __ne__(self, other: object) -> bool:
        self.seen.append(set(self.finder._nodes))
        return tuple(self) != tuple(other)  # type: ignore[arg-type]

    __hash__ = tuple.__hash__


def test_the_nodes_are_never_missing_while_the_one_that_answered_is_put_first() -> None:
    finder = Finder(slots.Slot(0, NODES, {}, "redis://n1:1/0"), lambda node: redis.Redis())
    asked = Looking(NODES[2])
    asked.finder, asked.seen = finder, []
    assert finder._found(asked, [[0, 16383, [b"n2", 2, b"id"]]]) == ("n2", 2)
    assert asked.seen, "it was compared"
    assert all(seen == set(NODES) for seen in asked.seen)
    assert finder._nodes[0] == NODES[2]
