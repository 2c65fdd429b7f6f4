"""Writes into Redis what the streamer and the worker would."""

from __future__ import annotations

import time
from typing import Any

import redis

from wire.evidence import EvidenceStore, Kept
from wire.keys import FIELD, Keys
from wire.messages import (
    Alert,
    AlertEvent,
    CameraState,
    Clip,
    Evidence,
    Explanation,
    Frame,
    Message,
    Picture,
    Quality,
    Score,
    ServiceState,
    Trace,
)
from wire.settings import AlertSettings

QUALITY = Quality(face_px=120.0, sharpness=80.0, brightness=120.0, yaw=0.1)
BASELINE = "baseline-resnext26-0001"


class Feed:
    """One bus and its keys; each method publishes as the services do."""

    def __init__(self, bus: redis.Redis, keys: Keys | None = None) -> None:
        self.bus, self.keys = bus, keys or Keys()

    def add(self, stream: str, message: Message) -> str:
        """XADD; the cursor."""
        id: Any = self.bus.xadd(stream, {FIELD: message.encode()})
        return str(id.decode())

    def camera(self, name: str = "door", state: str = "live", **changes: Any) -> CameraState:
        """A camera's state: hash of the newest, stream, and the set of names."""
        now = time.time()
        message = CameraState(
            **{
                "name": name, "state": state, "source": f"rtsp://10.0.0.7/{name}", "since": now - 60, "updated": now,
                "last_frame": now if state == "live" else None, "fps": 25.0 if state == "live" else 0.0,
                "analysed_fps": 6.0, "frame_size": (1280, 720), "faces": 1, "owner": "streamer-1",
                "detector": "yunet", **changes,
            }
        )  # fmt: skip
        pipe = self.bus.pipeline()
        pipe.sadd(self.keys.camera_names, name)
        pipe.set(self.keys.camera(name), message.encode())
        pipe.xadd(self.keys.cameras, {FIELD: message.encode()}, maxlen=10_000, approximate=True)
        pipe.execute()
        return message

    def score(self, camera: str = "door", p_fake: float = 0.1, track: str = "1-1", **changes: Any) -> Score:
        """One score, captured 300 ms ago."""
        now = time.time()
        verdict = "fake" if p_fake > 0.8 else "suspect" if p_fake > 0.5 else "clean"
        message = Score(
            **{
                "window": f"{camera}/{track}/0", "camera": camera, "track": track, "epoch": 1, "seq": 0, "logit": 0.0,
                "p_fake": p_fake, "verdict": verdict, "quality": QUALITY, "model": BASELINE,
                "box": (500.0, 200.0, 160.0, 160.0), "frame_size": (1280, 720), "started": now - 3,
                "captured": now - 0.3, "enqueued": now - 0.28, "dequeued": now - 0.2, "scored": now, **changes,
            }
        )  # fmt: skip
        self.add(self.keys.scores, message)
        return message

    def alert(self, id: str = "a1", event: str = "new", camera: str = "door", **changes: Any) -> str:
        """One alert event; its cursor."""
        message = alert_event(id, event, camera, **changes)
        self.bus.set(self.keys.alert(id), message.alert.encode())
        return self.add(self.keys.alerts, message)

    def evidence(self, alert: str, crops: list[bytes]) -> None:
        """The crops behind an alert."""
        now = time.time()
        frames = tuple(Frame(n, now - 3 + n / 6, (1.0, 2.0, 3.0, 4.0), jpeg) for n, jpeg in enumerate(crops))
        message = Evidence(
            alert=alert, window="door/1-1/7", model=BASELINE, threshold=0.8, p_fake=0.9, quality=QUALITY,
            frame_size=(1280, 720), frames=frames,
        )  # fmt: skip
        self.keep(message)

    def keep(self, *parts: Kept) -> None:
        """Parts of evidence, as the worker and the streamer keep them."""
        for part in parts:
            assert EvidenceStore(self.keys, AlertSettings()).put(self.bus, part, time.time()) == 1

    def all_evidence(self, alert: str, crops: list[bytes], mp4: bytes = b"\0\0\0\x18ftyp a video") -> None:
        """Every part of it."""
        now = time.time()
        self.evidence(alert, crops)
        scores = tuple(number / len(crops) for number in range(len(crops)))
        self.keep(
            Trace(alert=alert, points=((now - 2, 0.5, "suspect"), (now - 1, 0.9, "fake"))),
            Explanation(
                alert=alert, frame_scores=scores, peak=len(crops) - 1, grid=((0.0, 0.5), (1.5, -0.25)),
                heat=b"\xff\xd8 heat", sheet=b"\xff\xd8 sheet", camera=self.camera("door"),
            ),
            Picture(
                alert=alert, captured=now - 1, box=(1.0, 2.0, 3.0, 4.0), frame_size=(1280, 720), jpeg=b"\xff\xd8 whole"
            ),
            Clip(alert=alert, started=now - 5, ended=now + 4, codec="h264", as_received=True, mp4=mp4),
        )  # fmt: skip

    def service(self, role: str, state: str = "ready", ttl_s: int = 60, detail: str = "", **facts: Any) -> None:
        """One heartbeat."""
        now = time.time()
        message = ServiceState(
            **{
                "role": role, "id": f"{role}-1", "state": state, "since": now - 600, "updated": now, "detail": detail,
                **facts,
            }
        )  # fmt: skip
        self.bus.set(self.keys.service(role, f"{role}-1"), message.encode(), ex=ttl_s)


def alert_event(id: str = "a1", event: str = "new", camera: str = "door", **changes: Any) -> AlertEvent:
    """One transition, made believable."""
    now = time.time()
    ended = {"ended": now, "end_reason": "cleared"} if event == "end" else {}
    alert = Alert(
        **{
            "id": id, "camera": camera, "track": "1-1", "kind": "sustained", "severity": "critical",
            "started": now - 10, "updated": now, "score": 0.9, "peak": 0.97, "mean": 0.88, "windows": 12,
            "threshold": 0.8, "model": BASELINE, **ended, **changes,
        }
    )  # fmt: skip
    return AlertEvent(event=event, at=now, alert=alert)  # type: ignore[arg-type]
