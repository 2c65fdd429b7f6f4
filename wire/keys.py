"""The Redis keys, all in one place. Every key starts with the configured prefix."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

GROUP = "workers"
ALL_CAMERAS = "*"  # no camera can be called so
FIELD = b"m"  # the one field of every stream entry: the encoded message


def literal(text: str) -> str:
    """`text` for a pattern of SCAN or KEYS, where it stands for itself only."""
    return "".join("\\" + letter if letter in "*?[]^\\" else letter for letter in text)


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of the streams, hashes and strings under one prefix."""

    prefix: str = "unmask:"

    @property
    def windows(self) -> str:
        """Stream of Window, read by the consumer group `workers`; scored windows are removed from it."""
        return f"{self.prefix}windows"

    @property
    def scores(self) -> str:
        """Stream of Score, capped."""
        return f"{self.prefix}scores"

    @property
    def alerts(self) -> str:
        """Stream of AlertEvent, kept for days."""
        return f"{self.prefix}alerts"

    @property
    def cameras(self) -> str:
        """Stream of CameraState, capped."""
        return f"{self.prefix}cameras"

    @property
    def dead(self) -> str:
        """Stream of DeadLetter."""
        return f"{self.prefix}dead"

    @property
    def outcomes(self) -> str:
        """Hash outcome -> count of windows; incremented in the transaction that decides the outcome."""
        return f"{self.prefix}outcomes"

    @property
    def detectors(self) -> str:
        """Hash "<name> <version> <outcome>" -> windows a detector of the operator's own was asked about."""
        return f"{self.prefix}detectors"

    @property
    def camera_names(self) -> str:
        """Set of the names of all cameras any streamer is configured with."""
        return f"{self.prefix}camera-names"

    @property
    def last_opened(self) -> str:
        """Capture time at which any camera's last alert opened, under a TTL; the overall cool-down counts from it."""
        return f"{self.prefix}last-opened"

    @property
    def mqtt_topics(self) -> str:
        """Set of the retained MQTT topics that were published: what is no longer wanted is cleared at the broker."""
        return f"{self.prefix}mqtt-topics"

    @property
    def evidence_index(self) -> str:
        """Sorted set alert id -> when its evidence began, for all evidence that is kept."""
        return f"{self.prefix}evidence-index"

    @property
    def evidence_bytes(self) -> str:
        """Hash alert id -> bytes of its evidence; "" -> their sum."""
        return f"{self.prefix}evidence-bytes"

    @property
    def due_tracks(self) -> str:
        """Sorted set "<camera>\\0<track>" -> wall clock, for tracks with an open alert or with scores that wait: when
        something is to be done about them if no score comes before."""
        return f"{self.prefix}due-tracks"

    @property
    def camera_troubles(self) -> str:
        """Hash camera -> what is wrong with it, since when, and its open alerts; a camera that is well has no field."""
        return f"{self.prefix}camera-troubles"

    @property
    def crashes(self) -> str:
        """Hash camera -> how often it brought a streamer down and when last; a camera that never did has no field."""
        return f"{self.prefix}crashes"

    @property
    def forgotten(self) -> str:
        """How often something was forgotten: when it grows, dashboards read again what is left."""
        return f"{self.prefix}forgotten"

    @property
    def shards(self) -> str:
        """How many shards there are, see `wire.shards`."""
        return f"{self.prefix}shards"

    def gathered(self, shard: int) -> str:
        """Hash: `place`, the id in a shard's stream of alert events up to which they are in the home's, too; and how
        often something was `forgotten`."""
        return f"{self.prefix}gathered:{shard}"

    def forgetting(self, camera: str) -> str:
        """Unix milliseconds up to which the camera's windows are forgotten, under a TTL. It does not hold the name."""
        return f"{self.prefix}forgetting:{hashlib.sha256(camera.encode()).hexdigest()[:32]}"

    def camera(self, name: str) -> str:
        """Encoded CameraState of one camera."""
        return f"{self.prefix}camera:{name}"

    def camera_opened(self, name: str) -> str:
        """Capture time at which the camera's last alert opened, under a TTL; the cool-down counts from it."""
        return f"{self.prefix}camera-opened:{name}"

    def preview(self, name: str) -> str:
        """Newest JPEG of one camera with boxes drawn, under a TTL."""
        return f"{self.prefix}preview:{name}"

    def track(self, camera: str, track: str) -> str:
        """Encoded alert state of one track, under a TTL."""
        return f"{self.prefix}track:{camera}:{track}"

    def held(self, camera: str, track: str) -> str:
        """Hash seq -> encoded Window, for the windows of one track whose scores wait for an earlier one."""
        return f"{self.prefix}held:{camera}:{track}"

    def feature(self, camera: str, track: str, frame: int, model: str) -> str:
        """One frame's features (fp16), under a TTL; a feature is worth nothing to another model."""
        return f"{self.prefix}feature:{camera}:{track}:{frame}:{model}"

    def alert(self, alert: str) -> str:
        """Encoded Alert as it stands."""
        return f"{self.prefix}alert:{alert}"

    def evidence(self, alert: str) -> str:
        """Hash part -> encoded message: the evidence of one alert, see `wire.evidence`."""
        return f"{self.prefix}evidence:{alert}"

    def reference(self, camera: str) -> str:
        """Encoded Reference of one camera: what `unmask enrol` found its real picture to score."""
        return f"{self.prefix}reference:{camera}"

    def review(self, alert: str) -> str:
        """Encoded Review of one alert."""
        return f"{self.prefix}review:{alert}"

    def snooze(self, camera: str) -> str:
        """Encoded Snooze of one camera, or of ALL_CAMERAS, under a TTL."""
        return f"{self.prefix}snooze:{camera}"

    def notified(self, channel: str) -> str:
        """Cursor of the last alert event that a notification channel has dealt with."""
        return f"{self.prefix}notified:{channel}"

    def notify_lease(self, channel: str) -> str:
        """The dashboard that delivers to a notification channel, under a TTL."""
        return f"{self.prefix}notify-lease:{channel}"

    def lease(self, camera: str) -> str:
        """The streamer that owns the camera."""
        return f"{self.prefix}lease:{camera}"

    def login(self, digest: str) -> str:
        """Encoded Login of a browser, under a TTL; by its cookie's digest, so that reading Redis lets nobody in."""
        return f"{self.prefix}login:{digest}"

    def service(self, role: str, id: str) -> str:
        """Encoded ServiceState, under a TTL."""
        return f"{self.prefix}service:{role}:{id}"
