"""`unmask evaluate --live`: how long until an alert, and how many false ones an hour, on streams of a known schedule.

schedule.py    who is shown when                          pure
conditions.py  what the streams look like                 pure
stream.py      the streams: spliced, encoded, damaged
replay.py      the streams through the real pipeline
trade.py       what was raised, against the schedule      pure
measure.py     all of it, condition by condition
report.py, pictures.py   table, JSON, HTML, plots
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wire.settings import Settings

MINUTES, OTHERS_MINUTES, QUICK_MINUTES = 20.0, 6.0, 4.0


def run(
    settings: Settings,
    data: Path,
    split: str,
    *,
    model: Path | None = None,
    as_json: bool = False,
    report: Path | None = None,
    conditions: Sequence[str] = (),
    minutes: float | None = None,
    quick: bool = False,
    seed: int = 1,
) -> int:
    """Measure, print, and write the report where one is wanted; the exit code.

    `minutes` of stream per condition; by default the base condition gets MINUTES and each variation OTHERS_MINUTES, of
    the same cameras. Raises UnmaskError: the manifest, a condition or the checkpoint is wrong.
    """
    from unmask.live import conditions as known

    grid = [known.parse(text) for text in conditions] or list(known.QUICK if quick else known.GRID)
    lengths = [MINUTES] + [OTHERS_MINUTES] * (len(grid) - 1)
    if minutes is not None or quick or conditions:
        lengths = [minutes or (QUICK_MINUTES if quick else OTHERS_MINUTES)] * len(grid)
    if model is not None:
        settings = settings.model_copy(update={"worker": settings.worker.model_copy(update={"checkpoint": model})})
    from unmask.live import measure
    from unmask.live import report as reports

    result = measure.measure(settings, data, split, list(zip(grid, lengths, strict=True)), seed)
    if report is not None:
        reports.write(result, report)
    reports.show(result, as_json=as_json, folder=report)
    return 0
