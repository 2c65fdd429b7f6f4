"""The parts of a configuration, tried out: checkpoint, cameras, notification channels, and who may come in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from streamer.probe import probe
from unmask.finding import Finding, failure
from wire.errors import UnmaskError
from wire.plugins import Kind, find
from wire.settings import CameraSettings, Settings, StreamerSettings

AT_ONCE = 16  # cameras


def checkpoint(settings: Settings) -> Finding:
    """The checkpoint, loaded onto its device."""
    from worker.scorer import Scorer

    try:
        scorer = Scorer(settings)
    except UnmaskError as error:
        return failure("checkpoint", error)
    note = f"; {scorer.caveat}" if scorer.caveat else ""
    facts = {"id": scorer.model, "device": scorer.device, "caveat": scorer.caveat}
    return Finding("checkpoint", "ok", f"{scorer.model} on {scorer.device}{note}", facts=facts)


def channels(settings: Settings) -> list[Finding]:
    """The notification channels, validated; a message is sent by `unmask notify-test` only."""
    from dashboard.notify.build import channels

    try:
        found = channels(settings.notify)
    except UnmaskError as error:
        return [failure("notify", error)]
    return [Finding(channel.name, "ok", "valid; 'unmask notify-test' sends a message") for channel in found]


def plugins(settings: Settings) -> list[Finding]:
    """The plugins that the configuration names, with their versions. Imports none."""
    named: list[tuple[Kind, str, str]] = []
    if settings.worker.detector.plugin:
        named.append(("detector", settings.worker.detector.plugin, "worker.detector.plugin"))
    named += [("source", name, f"streamer.sources.{name}") for name in settings.streamer.sources]
    named += [
        ("notifier", one.plugin, f"notify.plugins.{name}.plugin") for name, one in settings.notify.plugins.items()
    ]
    return [_plugin(*one) for one in named]


def _plugin(kind: Kind, name: str, where: str) -> Finding:
    try:
        found = find(kind, name, where)
    except UnmaskError as error:
        return failure(f"{kind} {name}", error)
    facts = {"kind": kind, "name": name, "package": found.distribution, "version": found.version}
    return Finding(f"{kind} {name}", "ok", f"{found.distribution} {found.version}", facts=facts)


def access(settings: Settings) -> Finding:
    """Who may come in to the dashboard."""
    from dashboard.config import admitted

    try:
        access = admitted(settings.dashboard)
    except UnmaskError as error:
        return failure("access", error)
    if access.open:
        return Finding("access", "ok", "nobody has to sign in")
    count = len(access.users)
    words = [f"{count} user{'s' * (count > 1)}"] * bool(count) + ["a token"] * (access.token is not None)
    return Finding("access", "ok", " and ".join(words))


def cameras(settings: Settings, timeout_s: float) -> list[Finding]:
    """All cameras at once: a silent one must not make the others wait."""
    if not settings.cameras:
        return []
    with ThreadPoolExecutor(min(AT_ONCE, len(settings.cameras))) as pool:
        return list(
            pool.map(partial(_camera, timeout_s, settings.streamer), *zip(*settings.cameras.items(), strict=True))
        )


def _camera(timeout_s: float, streamer: StreamerSettings, name: str, camera: CameraSettings) -> Finding:
    try:
        found = probe(camera, timeout_s, streamer.sources)
    except UnmaskError as error:  # a scheme that no reader handles
        return failure(name, error)
    if not found.ok:
        return Finding(name, "failed", found.message, found.remedy, {"camera": name, "kind": str(found.kind)})
    width, height = found.size
    facts = {"camera": name, "codec": found.codec, "width": width, "height": height, "fps": round(found.fps, 3)}
    rate = f" at {found.fps:.3g} frames/s" if found.fps else ""  # a plugin does not say how many will come
    return Finding(name, "ok", f"{found.codec} {width}x{height}{rate}", facts=facts)
