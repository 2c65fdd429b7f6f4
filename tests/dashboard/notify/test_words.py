"""What people read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dashboard.notify import words
from tests.dashboard.feed import alert_event
from wire.messages import AlertEvent, Review


def test_a_face() -> None:
    event = alert_event("a 1", camera="front-door", started=1_700_000_000.0)
    assert words.title(event) == "Possible deepfake on front-door (critical)"
    text = words.body(event, "a baseline", "https://unmask.example/")
    assert "Since 2023-11-1" in text
    assert "Score 0.90, peak 0.97, threshold 0.80" in text
    assert ": a baseline. A reason to look, not a proof." in text
    assert text.endswith("https://unmask.example/#/alert/a%201")


def test_a_camera_has_no_scores() -> None:
    event = alert_event(
        event="end", kind="offline", severity="warning", score=None, peak=None, mean=None, threshold=None, model="",
        detail="the camera refuses the user or password",
    )  # fmt: skip
    assert words.title(event) == "Ended: Camera offline on door (warning)"
    text = words.body(event)
    assert "until" in text
    assert "the camera refuses the user or password" in text
    assert "Score" not in text
    assert "Model" not in text


def test_a_review() -> None:
    event = alert_event()
    review = Review(alert="a1", verdict="false-alarm", note="a poster", at=1.0)
    reviewed = AlertEvent(event="review", at=1.0, alert=replace(event.alert, review=review))
    assert words.title(reviewed).startswith("Reviewed: ")
    assert "Called a false alarm: a poster" in words.body(reviewed)


@pytest.mark.parametrize(
    ("box", "where"),
    [
        ((0.0, 0.0, 100.0, 90.0), "top left"),
        ((1000.0, 600.0, 100.0, 90.0), "bottom right"),
        ((590.0, 20.0, 100.0, 90.0), "top"),
        ((20.0, 320.0, 100.0, 90.0), "left"),
        ((590.0, 320.0, 100.0, 90.0), "middle"),
        ((-500.0, 900.0, 100.0, 90.0), "bottom left"),
    ],
)
def test_which_tile_of_a_call(box: tuple[float, float, float, float], where: str) -> None:
    event = alert_event("a1", "new", "call", box=box, frame_size=(1280, 720))
    assert f"The face: {where} in the picture" in words.body(event)
    assert "The face" not in words.body(alert_event("a1", "new", "call"))
