"""The store: what is written comes back, what a kill tears off is cut, and the rest is as if nothing had happened."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from tests.worker.training.making import PX, face, pack
from wire.errors import UsageError
from worker.training.store import CROPS, ROWS, Pack, Row, Writer

TERMS: dict[str, str | int | float] = {"format": 1, "margin": 1.4}


def jpeg(seed: int) -> bytes:
    return cv2.imencode(".jpg", face(seed))[1].tobytes()


def entry(number: int) -> tuple[str, str, list[tuple[Row, bytes]]]:
    """A clip with as many crops as its number says."""
    name = f"clip{number}"
    rows = [(Row(name, "x", 0, name, "train", 1.4, window=k), jpeg(10 * number + k)) for k in range(number)]
    return name, f"facts{number}", rows


def fill(folder: Path, numbers: range) -> None:
    with Writer(folder, TERMS) as writer:
        for number in numbers:
            name, facts, rows = entry(number)
            if name not in writer.done:
                writer.add(name, facts, rows, "" if rows else "no face")


def contents(folder: Path) -> tuple[bytes, bytes]:
    return (folder / CROPS).read_bytes(), (folder / ROWS).read_bytes()


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    read = Pack(tmp_path)
    assert read.terms == TERMS
    assert [(e.name, e.facts, len(e.rows), e.problem) for e in read.entries] == [
        ("clip0", "facts0", 0, "no face"), ("clip1", "facts1", 1, ""), ("clip2", "facts2", 2, ""),
    ]  # fmt: skip
    assert [row.name for row in read.rows] == ["clip1", "clip2", "clip2"]
    for index, seed in enumerate((10, 20, 21)):
        expected = cv2.imdecode(np.frombuffer(jpeg(seed), np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(read.crops[index], expected)
        assert read.crops[index].shape == (PX, PX, 3)
    assert len(read.crops) == 3


def test_a_store_is_the_same_however_often_it_was_begun_again(tmp_path: Path) -> None:
    fill(tmp_path / "whole", range(4))
    for end in range(1, 5):
        fill(tmp_path / "parts", range(end))
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_torn_tail_is_cut_wherever_it_is_torn(tmp_path: Path) -> None:
    fill(tmp_path / "whole", range(4))
    crops, rows = contents(tmp_path / "whole")
    for cut in range(0, len(rows), 7):
        folder = tmp_path / f"rows{cut}"
        shutil.copytree(tmp_path / "whole", folder)
        (folder / ROWS).write_bytes(rows[:cut])
        assert [entry.name for entry in Pack(folder).entries] == [f"clip{i}" for i in range(len(Pack(folder).entries))]
        fill(folder, range(4))
        assert contents(folder) == (crops, rows)


def test_a_clip_whose_crops_are_lost_is_done_again(tmp_path: Path) -> None:
    fill(tmp_path / "whole", range(4))
    crops, rows = contents(tmp_path / "whole")
    for lost in (1, len(jpeg(32)) + 1, len(crops)):
        folder = tmp_path / f"lost{lost}"
        shutil.copytree(tmp_path / "whole", folder)
        (folder / CROPS).write_bytes(crops[:-lost])
        assert len(Pack(folder).entries) < 4
        fill(folder, range(4))
        assert contents(folder) == (crops, rows)


def test_other_terms_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, range(2))
    with pytest.raises(UsageError, match=r"margin 1\.4, not 0\.9"):
        Writer(tmp_path, {**TERMS, "margin": 0.9})


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with Writer(tmp_path, TERMS), pytest.raises(UsageError, match="being written"):
        Writer(tmp_path, TERMS)


@pytest.mark.parametrize("content", [None, b"this is no store of anything"])
def test_what_is_no_store(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / ROWS).write_bytes(content)
        (tmp_path / CROPS).touch()
        with pytest.raises(UsageError, match="no store of faces"):
            Writer(tmp_path, TERMS)
        assert (tmp_path / ROWS).read_bytes() == content
    with pytest.raises(UsageError, match="unmask data faces"):
        Pack(tmp_path)


def test_an_empty_store_is_one(tmp_path: Path) -> None:
    fill(tmp_path, range(1))
    assert (Pack(tmp_path).rows, len(Pack(tmp_path).crops)) == ([], 0)


def test_threads_may_read_at_once(tmp_path: Path) -> None:
    read = pack(tmp_path, "x", groups=20, fakes=1, margin=1.0)
    alone = [read.crops[i] for i in range(len(read.rows))]
    with ThreadPoolExecutor(8) as pool:
        order = np.random.default_rng(0).integers(0, len(alone), 400).tolist()
        for index, image in zip(order, pool.map(read.crops.__getitem__, order), strict=True):
            assert np.array_equal(image, alone[index])


def test_a_crop_that_is_no_picture_says_which(tmp_path: Path) -> None:
    with Writer(tmp_path, TERMS) as writer:
        writer.add("a", "", [(Row("a.mp4", "x", 0, "a", "train", 1.4), b"not a jpeg")])
    with pytest.raises(ValueError, match=r"crop 0 \(a\.mp4\)"):
        Pack(tmp_path).crops[0]


def test_pack_groups_and_digest(tmp_path: Path) -> None:
    first = pack(tmp_path / "a", "x", groups=3, fakes=2, margin=0.8)
    assert first.groups("train")["1"] == ([3], [4, 5])
    assert first.groups("held") == {}
    assert first.where("train", 1) == [1, 2, 4, 5, 7, 8]
    assert first.digest() == pack(tmp_path / "b", "x", 3, 2, 0.8).digest()
    assert first.digest() != pack(tmp_path / "c", "x", 4, 2, 0.8).digest()
    assert np.array_equal(first.crops[0], pack(tmp_path / "d", "x", 1, 0, 0.8).crops[0])


def test_rows_keep_their_order_of_fields() -> None:
    """Old stores are read by place: fields are only ever added at the end."""
    assert Row.__struct_fields__ == (
        "name", "source", "label", "group", "split", "margin", "points", "window", "pair", "person", "kind", "offset",
        "length", "size",
    )  # fmt: skip
    row = Row("n", "s", 1, "g", "held", 0.8)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(["n", "s", 1, "g", "held", 0.8]), type=Row) == row
