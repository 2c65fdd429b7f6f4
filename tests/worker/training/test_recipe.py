"""Recipes: partial files, plain errors, and the learning rate over a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wire.errors import UsageError
from worker.model import EDGE
from worker.training.recipe import Recipe, read


def test_a_partial_file_keeps_the_other_defaults(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("lr: 0.01\nmixture: {blends: 0.9}\n")
    recipe = read(path)
    assert (recipe.lr, recipe.mixture.blends) == (0.01, 0.9)
    assert (recipe.pairs, recipe.mixture.coarse) == (Recipe().pairs, Recipe().mixture.coarse)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lr: fast", "lr"), ("rate: 1", "rate"), ("mixture: {blend: 1}", "blend"), ("a: [", "recipe.yaml"),
        ("pairs: 0", ">= 1 - at `$.pairs`: docs/train.md"), ("passes: 0", "passes"), ("seed: -1", "seed"),
        ("mixture: {margins: [0, 0]}", "margins"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(says)) as raised:
        read(path)
    assert "\n" not in str(raised.value)


def test_the_default_checkpoints_recipe_can_be_read() -> None:
    recipe = read(Path(__file__).parents[3] / "docs" / "recipes" / "default.yaml")
    assert recipe.model == EDGE
    assert recipe.mixture.pair_weights["DFDC"] > 1


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        read(tmp_path / "none.yaml")


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    recipe = Recipe(passes=6400, pairs=32, warmup=10, cooldown=0.5, lr=1.0)
    assert recipe.steps == 100
    assert [recipe.rate(step) for step in (0, 4, 9, 30, 50)] == [0.1, 0.5, 1.0, 1.0, 1.0]
    assert recipe.rate(75) == pytest.approx(0.5)
    assert recipe.rate(99) == pytest.approx(0.02)
    assert recipe.rate(100) == 0
