"""One example of every message, with every field set."""

from __future__ import annotations

from wire.messages import (
    Alert,
    AlertEvent,
    CameraState,
    Clip,
    DeadLetter,
    Evidence,
    Explanation,
    Frame,
    Login,
    Message,
    Opinion,
    Picture,
    Portrait,
    Quality,
    Reference,
    Review,
    Score,
    ServiceState,
    Snooze,
    Trace,
    Window,
)

EPOCH = 1_700_000_000_000
T0 = EPOCH / 1000
QUALITY = Quality(face_px=120.0, sharpness=80.5, brightness=128.0, yaw=0.25)
FRAMES = tuple(
    Frame(
        index=number,
        captured=T0 + number / 8,
        box=(10.0 + number, 20.0, 90.0, 113.0),
        jpeg=b"\xff\xd8" + bytes([number]),
    )
    for number in range(4)
)
PORTRAIT = Portrait(margin=1.5, jpeg=b"\xff\xd8\xff")
REVIEW = Review(alert="lobby-1700000000000-1-0", verdict="false-alarm", note="a mask", at=T0 + 20, by="anna")
ALERT = Alert(
    id="lobby-1700000000000-1-0", camera="lobby", track=f"{EPOCH}-1", kind="sustained", severity="critical",
    started=T0, updated=T0 + 4, ended=T0 + 9, end_reason="cleared", score=0.75, peak=0.96875, mean=0.875, windows=5,
    threshold=0.625, model="baseline-0a1b2c3d", detail="why", review=REVIEW,
)  # fmt: skip

CAMERA = CameraState(
    name="lobby", state="unauthorised", source="rtsp://***@192.0.2.1/1", error="wrong password", since=T0,
    updated=T0 + 1, last_frame=T0, fps=25.0, analysed_fps=6.0, frame_size=(1280, 720), faces=2, reconnects=3,
    windows=17, owner="host-1", detector="yunet",
)  # fmt: skip

EXAMPLES: list[Message] = [
    Window(
        camera="lobby", track=f"{EPOCH}-1", epoch=EPOCH, seq=3, frame_size=(1280, 720), quality=QUALITY,
        enqueued=T0 + 0.5, frames=FRAMES, margin=0.75, portrait=PORTRAIT,
    ),
    Score(
        window=f"lobby/{EPOCH}-1/3", camera="lobby", track=f"{EPOCH}-1", epoch=EPOCH, seq=3, logit=1.5, p_fake=0.8125,
        verdict="unsure", reason="blurred", quality=QUALITY, model="baseline-0a1b2c3d", box=(13.0, 20.0, 90.0, 113.0),
        frame_size=(1280, 720), started=T0, captured=T0 + 0.375, enqueued=T0 + 0.5, dequeued=T0 + 0.625,
        scored=T0 + 0.75, shift=-0.5,
        opinion=Opinion(detector="blur", version="0.1.0", rule="mean", outcome="scored", logit=-1.5, ours=2.0),
    ),
    Reference(
        camera="lobby", model="baseline-0a1b2c3d", made=T0, minutes=2.5, windows=300, tracks=3, median=-1.5,
        spread=1.25, expected=-2.0, expected_spread=1.75,
    ),
    ALERT,
    AlertEvent(event="end", at=T0 + 9, alert=ALERT),
    REVIEW,
    Evidence(
        alert=ALERT.id, window=f"lobby/{EPOCH}-1/3", model=ALERT.model, threshold=0.625, p_fake=0.75, quality=QUALITY,
        frame_size=(1280, 720), frames=FRAMES, margin=0.75, portrait=PORTRAIT,
    ),
    Trace(alert=ALERT.id, points=((T0, 0.5, "suspect"), (T0 + 1, 0.75, "fake"))),
    Picture(
        alert=ALERT.id, captured=T0, box=(10.0, 20.0, 90.0, 113.0), frame_size=(1280, 720), jpeg=b"\xff\xd8",
    ),
    Clip(
        alert=ALERT.id, started=T0 - 4, ended=T0 + 4, codec="h264", as_received=True, mp4=b"\0\0\0\x18ftyp",
    ),
    Snooze(camera="lobby", until=T0 + 60, at=T0, by="anna"),
    Login(user="anna", proof=bytes(range(32)), began=T0),
    Explanation(
        alert=ALERT.id, frame_scores=(0.5, 0.75, 0.25, 0.5), peak=1, grid=((0.0, 0.5), (1.5, -0.25)), heat=b"\xff\xd8",
        sheet=b"\xff\xd8", camera=CAMERA,
    ),
    CAMERA,
    ServiceState(
        role="worker", id="host-0", state="ready", since=T0, updated=T0 + 1, detail="baseline on cpu",
        model="baseline-0a1b2c3d", device="cpu, 2 threads", caveat="a baseline", batch_fill=0.5, busy=0.25,
        queue_age=1.5, shed=7, restarts=2, trouble="unmask.yaml: no such file",
    ),
    DeadLetter(error="not a window", deliveries=3, at=T0, data=b"\x00\x01"),
]  # fmt: skip
