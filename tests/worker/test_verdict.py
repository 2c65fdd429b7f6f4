import math

import pytest
from msgspec.structs import replace

from tests.worker.making import GOOD
from wire.settings import QualitySettings
from worker.verdict import doubt, verdict

LIMITS = QualitySettings()


@pytest.mark.parametrize(
    ("p", "said"), [(0.0, "clean"), (0.49, "clean"), (0.5, "suspect"), (0.79, "suspect"), (0.8, "fake"), (1.0, "fake")]
)
def test_thresholds_belong_to_the_graver_verdict(p: float, said: str) -> None:
    assert verdict(p, suspect=0.5, fake=0.8) == said


def test_a_good_picture_leaves_no_doubt() -> None:
    assert doubt(GOOD, LIMITS, 16, 16) == ""
    assert doubt(replace(GOOD, yaw=None), LIMITS, 16, 16) == "", "a detector without landmarks knows no yaw"


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("face_px", 47.9, "small"), ("sharpness", 14.0, "blurred"), ("brightness", 29.0, "dark"),
        ("brightness", 236.0, "bright"), ("yaw", -0.7, "away"), ("yaw", 0.7, "away"),
        ("face_px", math.nan, "small"), ("sharpness", math.nan, "blurred"), ("brightness", math.nan, "dark"),
        ("yaw", math.nan, "away"),
    ],
)  # fmt: skip
def test_each_limit_has_its_words(field: str, value: float, word: str) -> None:
    assert word in doubt(replace(GOOD, **{field: value}), LIMITS, 16, 16)


def test_too_few_frames() -> None:
    assert doubt(GOOD, LIMITS, 15, 16) == "only 15 of 16 frames"
