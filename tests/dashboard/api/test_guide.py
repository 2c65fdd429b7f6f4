"""The lines of the guides that ask the REST interface are run as they stand, by a real curl and a real shell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.support.servers import missing
from wire.messages import Review

DOCS = Path(__file__).parents[3] / "docs"
LINES = {
    page.name: found
    for page in DOCS.rglob("*.md")
    if (found := re.findall(r"^    (curl .*localhost:8008.*)$", page.read_text(encoding="utf-8"), re.MULTILINE))
}


def test_each_does_what_the_page_says(dashboard: Callable[..., Running], feed: Feed, tmp_path: Path) -> None:
    for program in ("curl", "unzip", "sha256sum"):
        if shutil.which(program) is None:
            missing(f"no {program}")
    feed.alert("a1", "end", "lobby-1", started=time.time(), severity="critical")
    feed.alert("a2", "end", "door", started=time.time(), severity="critical")
    feed.all_evidence("a1", [b"\xff\xd8\xff\xe0 a picture \xff\xd9"])
    one = dashboard().synced()

    def typed(line: str, folder: str) -> str:
        line = line.replace("localhost:8008", one.http.removeprefix("http://"))
        line = re.sub(r"\bID\b", "a1", line).replace("curl ", "curl -sS --fail ", 1)
        (tmp_path / folder).mkdir()
        done = subprocess.run(
            ["bash", "-euc", line], cwd=tmp_path / folder, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout

    listed, judged, exported = LINES["rest.md"]
    assert [alert["id"] for alert in json.loads(typed(listed, "list"))["alerts"]] == ["a1"]
    typed(judged, "judge")
    noted = feed.bus.get(feed.keys.review("a1"))
    assert isinstance(noted, bytes)
    review = Review.decode(noted)
    assert (review.verdict, review.note) == ("false-alarm", "a mask")
    for page, line in (("rest", exported), *(("evidence", line) for line in LINES["evidence.md"])):
        said = typed(line, page)
        assert said.count(": OK\n") >= 3
        assert "manifest.json: OK" in said
    assert LINES.keys() == {"rest.md", "evidence.md"}, "run those of the new page, too"
