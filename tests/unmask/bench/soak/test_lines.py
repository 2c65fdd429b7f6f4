"""The log by cause."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from unmask.bench.soak.lines import Log


def line(at: float, event: str = "camera lost", **facts: object) -> str:
    stamp = datetime.fromtimestamp(at, UTC).isoformat()
    return json.dumps({"service": "streamer", "event": event, "level": "warning", "timestamp": stamp, **facts})


def test_a_cause_that_speaks_twice_within_a_second_is_named() -> None:
    log = Log(Path("unused"))
    log.take([line(100.0, camera="a"), line(100.4, camera="b"), line(101.1, camera="a"), line(101.9, camera="a")], 0)
    assert log.too_often() == {"streamer camera lost camera=a": 2}
    assert log.summary()["streamer camera lost camera=a"] == {"lines": 3, "most": 2, "level": "warning"}


def test_numbers_make_no_new_cause_and_kinds_do() -> None:
    log = Log(Path("unused"))
    log.take([line(1.0, kind="refused", retry_s=1), line(2.5, kind="timeout"), line(4.0, kind="refused", retry_s=2)], 0)
    assert {name: cause.lines for name, cause in log.causes.items()} == {
        "streamer camera lost kind=refused": 2,
        "streamer camera lost kind=timeout": 1,
    }


def test_lines_of_libraries_count_by_their_shape() -> None:
    log = Log(Path("unused"))
    for second in range(30):
        log.take([f"[h264 @ 0x55d0{second:04x}] error while decoding MB {second} 7"] * 2, float(second))
        log.take([f"something else {second}"], float(second))
    assert list(log.too_often().values()) == [20]
    assert "[h264 @ #] error while decoding MB # #" in log.too_often()


def test_what_a_file_gains_is_read_once_and_half_a_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "log"
    whole = line(1.0)
    path.write_text(whole[:20])
    log = Log(path)
    log.look(0.0)
    assert not log.causes
    path.write_text(whole + "\n" + line(9.0) + "\n")
    log.look(0.0)
    log.look(0.0)
    assert log.summary() == {"streamer camera lost": {"lines": 2, "most": 1, "level": "warning"}}
