"""What a live evaluation says: a table for people, strict JSON for programs, a folder with plots and a page."""

from __future__ import annotations

import html
import json
import math
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from unmask.live import pictures, trade
from unmask.live.measure import Found, Result
from unmask.live.schedule import PAUSE_S, Camera
from wire.errors import ServiceError
from worker.training.metrics import Figure

WIDTH = 128  # where no terminal says how wide it is
HEADINGS = (
    "stream",
    "fakes",
    "alerted",
    "median s",
    "p95 s",
    "real min",
    "false/h",
    "cover",
    "windows",
    "kbit/s",
    "lost",
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Unmask, live evaluation</title>
<style>body{{font:15px/1.5 system-ui;max-width:70rem;margin:2rem auto;padding:0 1rem}}table{{border-collapse:collapse}}
td,th{{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:left}}img{{max-width:100%}}</style>
<h1>Live evaluation</h1><p>{words}</p>
<table><tr>{head}</tr>{rows}</table>
<h2>Trade-off</h2><p>The same scores under other thresholds; the dots are those in force.</p>
<img src="trade.png" alt="detection and median delay against false alerts per camera-hour">
<h2>Delay</h2><img src="delay.png" alt="share of fakes alerted over seconds since onset">
<h2>Each fake</h2><p>Seconds from its first frame to the alert; – where none came, nothing where it was not shown.</p>
<table><tr><th>camera</th><th>onset s</th><th>length s</th><th>clip</th>{names}</tr>{fakes}</table></html>
"""


def show(result: Result, *, as_json: bool, folder: Path | None) -> None:
    """Print to standard output."""
    if as_json:
        sys.stdout.write(text(result))
        return
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    table = Table(title=f"{result.model}, faces by {result.detector}", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "stream" else "right", no_wrap=heading == "stream")
    for found in result.found:
        table.add_row(*cells(found))
    console.print(table)
    console.print(words(result), highlight=False)
    if folder is not None:
        console.print(f"report: {folder / 'index.html'}", highlight=False, markup=False, soft_wrap=True)


def write(result: Result, folder: Path) -> None:
    """live.json, trade.png, delay.png and index.html in `folder`. Raises ServiceError where that can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "live.json").write_text(text(result), encoding="utf-8")
        pictures.trade_off(result, folder / "trade.png")
        pictures.delays(result, folder / "delay.png")
        (folder / "index.html").write_text(page(result), encoding="utf-8")
    except OSError as error:
        raise ServiceError(f"can't write the report ({error})", "choose another folder with --report") from None


def text(result: Result) -> str:
    """The JSON text: no NaN and no infinity, null for what was not reached."""
    return json.dumps(describe(result), indent=2, allow_nan=False) + "\n"


def describe(result: Result) -> dict[str, Any]:
    """The result in plain JSON types."""
    rules = result.rules
    return {
        "model": result.model,
        "detector": result.detector,
        "thresholds": {"enter": rules.enter, "exit": rules.exit},
        "data": {"manifest": result.manifest, "split": result.split, "left_out": list(result.left_out)},
        "seed": result.seed,
        "grace_s": trade.GRACE_S,
        "wall_s": round(result.wall_s, 1),
        "conditions": [_condition(found) for found in result.found],
        "schedule": [_camera(camera) for camera in result.cameras],
    }


def _condition(found: Found) -> dict[str, Any]:
    balance, sent = found.balance, found.sent
    fakes = [
        {
            "camera": fake.camera,
            "clip": fake.visit.show.name,
            "source": fake.visit.show.source,
            "onset_s": fake.visit.start,
            "delay_s": round(fake.delay, 3) if math.isfinite(fake.delay) else None,
        }
        for fake in balance.fakes
    ]
    return {
        "condition": found.condition.name,
        "cameras": len(found.cameras),
        "stream_minutes": sum(camera.seconds for camera in found.cameras) / 60,
        "time_to_alert_s": {"median": balance.delay(0.5), "p95": balance.delay(0.95)},
        "detected": {**_figure(balance.detected), "fakes": len(fakes)},
        "false_alerts_per_camera_hour": {
            **_figure(balance.false_per_hour),
            "count": balance.false_alerts,
            "real_hours": balance.real_s / 3600,
        },
        "coverage": found.coverage,
        "windows": found.windows,
        "sent": {
            "frames": sent.frames,
            "kbit_s": _kbit_s(found),
            "packets": sent.packets,
            "lost": sent.lost,
        },
        "curve": [{name: getattr(point, name) for name in point.__struct_fields__} for point in found.curve],
        "fakes": fakes,
    }


def _figure(figure: Figure) -> dict[str, float]:
    return {"value": figure.value, "lo": figure.lo, "hi": figure.hi}


def _camera(camera: Camera) -> dict[str, Any]:
    visits = [
        {"start": visit.start, "end": visit.end, "fake": visit.show.fake, "clip": visit.show.name}
        for visit in camera.visits
    ]
    return {"camera": camera.name, "seconds": camera.seconds, "visits": visits}


def _kbit_s(found: Found) -> float:
    return found.sent.bytes * 8 / 1000 * found.condition.fps / max(1, found.sent.frames)


def cells(found: Found) -> tuple[str, ...]:
    """One row of the table."""
    balance, sent = found.balance, found.sent
    share, rate = balance.detected, balance.false_per_hour
    return (
        found.condition.name,
        str(len(balance.fakes)),
        f"{share.value:.0%} ({share.lo:.0%}-{share.hi:.0%})",
        _seconds(balance.delay(0.5)),
        _seconds(balance.delay(0.95)),
        f"{balance.real_s / 60:.1f}",
        f"{rate.value:.1f} ({rate.lo:.1f}-{rate.hi:.1f})",
        f"{found.coverage:.0%}",
        str(found.windows),
        f"{_kbit_s(found):.0f}",
        f"{sent.lost / max(1, sent.packets):.1%}",
    )


def words(result: Result) -> str:
    """What the table's figures are of."""
    visits = [visit for camera in result.cameras for visit in camera.visits]
    mean = sum(visit.end - visit.start for visit in visits) / len(visits)
    clips = [len({visit.show.name for visit in visits if visit.show.fake == fake}) for fake in (True, False)]
    return (
        f"{clips[0]} fake and {clips[1]} real clips on {len(result.cameras)} virtual cameras, of which each stream "
        f"condition watches the first few; a face stays {mean:.0f} s on average, with pauses of {PAUSE_S} s. "
        "Time runs from a fake's first frame to the alert, without the machine's own delay; 'not reached': too few "
        "fakes were alerted at all. False alerts are per hour of real faces. In brackets 95 % intervals, by clip and "
        "Poisson's. Kbit/s and loss as sent. "
        f"Thresholds: enter {result.rules.enter:.3f}, exit {result.rules.exit:.3f}. Took {result.wall_s:.0f} s."
    )


def _seconds(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.1f}"


def page(result: Result) -> str:
    """The HTML page."""
    rows = "".join(_row([html.escape(cell) for cell in cells(found)]) for found in result.found)
    fakes = []
    most = max(result.found, key=lambda found: len(found.cameras))
    for number, fake in enumerate(most.balance.fakes):
        visit = fake.visit
        shown = [_waited(found, number) for found in result.found]
        length = f"{visit.end - visit.start:g}"
        fakes.append(_row([fake.camera, f"{visit.start:g}", length, html.escape(visit.show.name), *shown]))
    return PAGE.format(
        words=html.escape(words(result)),
        head="".join(f"<th>{heading}</th>" for heading in HEADINGS),
        rows=rows,
        names="".join(f"<th>{found.condition.name}</th>" for found in result.found),
        fakes="".join(fakes),
    )


def _waited(found: Found, number: int) -> str:
    """The delay of the `number`-th fake; the conditions' cameras, and so their fakes, begin alike."""
    fakes = found.balance.fakes
    if number >= len(fakes):
        return ""
    return f"{fakes[number].delay:.1f}" if math.isfinite(fakes[number].delay) else "–"


def _row(cells: list[str]) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
