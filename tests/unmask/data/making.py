"""Data sets in miniature: the names and lists that the real ones have. Files are empty where nobody opens them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path


def touch(folder: Path, names: Iterable[str]) -> None:
    """Empty files, with the folders above them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def faceforensics(folder: Path, pairs: Iterable[tuple[int, int]], compression: str = "c23") -> Path:
    """Each pair swapped both ways with Deepfakes, and one way with NeuralTextures."""
    for a, b in pairs:
        touch(folder / f"original_sequences/youtube/{compression}/videos", (f"{a:03}.mp4", f"{b:03}.mp4"))
        made = folder / "manipulated_sequences"
        touch(made / f"Deepfakes/{compression}/videos", (f"{a:03}_{b:03}.mp4", f"{b:03}_{a:03}.mp4"))
        touch(made / f"NeuralTextures/{compression}/videos", (f"{a:03}_{b:03}.mp4",))
    return folder


def actors(folder: Path, count: int) -> Path:
    """DeepFakeDetection: everybody swapped with everybody in one scene."""
    names = [f"{number:02}" for number in range(1, count + 1)]
    touch(folder / "original_sequences/actors/c23/videos", (f"{a}__walking_outside.mp4" for a in names))
    touch(
        folder / "manipulated_sequences/DeepFakeDetection/c23/videos",
        (f"{a}_{b}__walking_outside__ZK95PQDE.mp4" for a in names for b in names if a != b),
    )
    return folder


def celeb_df(folder: Path, people: int) -> Path:
    """Two clips of each person, each swapped with the next person's face."""
    for one in range(people):
        other = (one + 1) % people
        touch(folder, (f"Celeb-real/id{one}_{n:04}.mp4" for n in range(2)))
        touch(folder, (f"Celeb-synthesis/id{one}_id{other}_{n:04}.mp4" for n in range(2)))
    touch(folder, (f"YouTube-real/{n:05}.mp4" for n in range(people)))
    (folder / "List_of_testing_videos.txt").write_text("1 YouTube-real/00000.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n")
    return folder


def dfdc(folder: Path, groups: Iterable[str]) -> Path:
    """One part: an original and two fakes of it each."""
    facts: dict[str, dict[str, str | None]] = {}
    for group in groups:
        facts[f"{group}.mp4"] = {"label": "REAL", "split": "train", "original": None}
        for n in "xy":
            facts[f"{group}{n}.mp4"] = {"label": "FAKE", "split": "train", "original": f"{group}.mp4"}
    touch(folder, facts)
    (folder / "metadata.json").write_text(json.dumps(facts))
    return folder


def dfdc_crops(folder: Path, lines: Iterable[tuple[str, str, str]]) -> Path:
    """The crops: (name, label, original) per file."""
    table = ["videoname,original_width,original_height,label,original"]
    for name, label, original in lines:
        touch(folder, (f"faces_224/{name}.jpg",))
        table.append(f"{name}.mp4,100,100,{label},{original}")
    (folder / "metadata.csv").write_text("\n".join(table) + "\n")
    return folder
