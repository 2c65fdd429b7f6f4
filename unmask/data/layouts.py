"""The layouts in which data sets come, each recognised by what lies in a folder. Only lists of names are opened."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from worker.training.store import Split

VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v", ".gif"}
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
KINDS = {
    "deepfakes": "swap", "faceswap": "swap", "faceshifter": "swap", "deepfakedetection": "swap",
    "celeb-synthesis": "swap", "face2face": "reenactment", "neuraltextures": "reenactment",
}  # fmt: skip
PARTS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "dev", "valid": "dev", "validation": "dev",
    "test": "dev", "testing": "dev",
}  # fmt: skip
DFDC_MARGIN = 0.8  # of the crops, measured; worker/training/LOG.md says how
COMPRESSION = re.compile(r"raw|c\d+")
FFPP_NAME = re.compile(r"(\d{3})(?:_(\d{3}))?")  # target, source
DFD_NAME = re.compile(r"(\d{2})(?:_(\d{2}))?__(.+?)(?:__[A-Z0-9]{8})?")  # target, source, scene
CELEB_NAME = re.compile(r"(id\d+)(?:_(id\d+))?_(\d+)")  # target, source, number


class Item(msgspec.Struct, frozen=True):
    """One clip or picture of a data set, before it is known which split it falls into."""

    path: Path
    label: str  # real or fake
    source: str
    group: str  # what a real clip and its fakes share
    people: tuple[str, ...] = ()  # unique within the source; of a fake: who is seen, and whose face or motion it is
    kind: str = ""
    method: str = ""
    official: str = ""  # the part of the data set its authors put it in: train, val, test
    split: Split | None = None  # where the official part, or a fixed list, decides
    margin: float = 0.0  # of a tight crop that is to be kept whole


class Found(msgspec.Struct):
    """What `discover` makes of a folder."""

    items: list[Item]
    layouts: dict[str, int]  # layout -> folders
    unknown: dict[str, int]  # folder -> media files that belong to no layout
    absent: int = 0  # named by a list, but not there


def discover(root: Path) -> Found:
    """Every layout below `root`, however deep."""
    found = Found([], {}, {})
    _visit(root, root, found, set())
    return found


def _visit(folder: Path, root: Path, found: Found, seen: set[Path]) -> None:
    place = folder.resolve()
    if place in seen:  # a link that leads back
        return
    seen.add(place)
    for name, recognise in LAYOUTS.items():
        items = recognise(folder, root)
        if items is None:
            continue
        there = set(media(folder, deep=True))
        found.items += [item for item in items if item.path in there]
        found.absent += sum(item.path not in there for item in items)
        found.layouts[name] = found.layouts.get(name, 0) + 1
        _note(there - {item.path for item in items}, root, found)
        return
    _note(media(folder), root, found)
    for child in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        _visit(child, root, found, seen)


def _note(paths: Iterable[Path], root: Path, found: Found) -> None:
    for path in paths:
        name = path.parent.relative_to(root).as_posix()
        found.unknown[name] = found.unknown.get(name, 0) + 1


def media(folder: Path, deep: bool = False) -> Iterator[Path]:
    """Videos and pictures in `folder`, and below it if `deep`, in order; links are followed, but not in circles."""
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(place))
        folders[:] = sorted(
            name for name in folders
            if deep and not name.startswith(".") and os.path.realpath(os.path.join(place, name)) not in seen
        )  # fmt: skip
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in VIDEOS | PICTURES:
                yield Path(place, name)


def faceforensics(folder: Path, root: Path) -> list[Item] | None:
    """{original,manipulated}_sequences/METHOD/{raw,c23,c40}/videos; DeepFakeDetection's actors are another source."""
    parts = [folder / "original_sequences", folder / "manipulated_sequences"]
    if not any(part.is_dir() for part in parts):
        return None
    lists = _official_lists(folder)
    items = []
    for part in parts:
        label = "real" if part.name.startswith("original") else "fake"
        for videos in sorted(path for path in part.glob("*/*/videos") if COMPRESSION.fullmatch(path.parts[-2])):
            made = (_ffpp_item(path, label, videos.parts[-3], lists) for path in media(videos))
            items += [item for item in made if item is not None]
    return items


def _ffpp_item(path: Path, label: str, method: str, lists: dict[str, str]) -> Item | None:
    """A fake 000_003 is the video 000 with the face, or driven by the face, of 003."""
    method, kind = ("", "") if label == "real" else (method, KINDS.get(method.lower(), ""))
    if match := FFPP_NAME.fullmatch(path.stem):
        people = tuple(name for name in match.groups() if name)
        official = lists.get(people[0], "")
        return Item(path, label, "FF++", people[0], people, kind, method, official, PARTS.get(official))
    if match := DFD_NAME.fullmatch(path.stem):
        target, source, scene = match.groups()
        people = tuple(name for name in (target, source) if name)
        return Item(path, label, "DFD", f"{target}__{scene}", people, kind, method)
    return None


def _official_lists(folder: Path) -> dict[str, str]:
    """Video -> train, val or test, from the lists of pairs that come with FaceForensics++."""
    lists: dict[str, str] = {}
    for place in (folder / "dataset" / "splits", folder / "splits", folder):
        for part in ("train", "val", "test"):
            pairs = _json(place / f"{part}.json")
            if isinstance(pairs, list):
                lists |= {str(name): part for pair in pairs for name in (pair if isinstance(pair, list) else [pair])}
    return lists


def celeb_df(folder: Path, root: Path) -> list[Item] | None:
    """Celeb-DF v1 and v2. Its official test clips show the people of its other clips, so they decide no split."""
    parts = {"Celeb-real": "real", "YouTube-real": "real", "Celeb-synthesis": "fake"}
    if not ((folder / "Celeb-synthesis").is_dir() or (folder / "Celeb-real").is_dir()):
        return None
    listed = folder / "List_of_testing_videos.txt"
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    test = {line.split()[-1] for line in lines if line.split()}
    items = []
    for part, label in parts.items():
        for path in media(folder / part) if (folder / part).is_dir() else ():
            official = ("test" if f"{part}/{path.name}" in test else "train") if test else ""
            kind = KINDS["celeb-synthesis"] if label == "fake" else ""
            if match := CELEB_NAME.fullmatch(path.stem):
                target, source, number = match.groups()
                people = tuple(name for name in (target, source) if name)
                items.append(Item(path, label, "Celeb-DF", f"{target}_{number}", people, kind, part, official))
            elif part == "YouTube-real":
                items.append(Item(path, label, "Celeb-DF", f"youtube-{path.stem}", (), kind, "", official))
    return items


def dfdc(folder: Path, root: Path) -> list[Item] | None:
    """A part of DFDC: videos beside a metadata.json that gives each its label, and a fake its original."""
    facts = _json(folder / "metadata.json")
    if not isinstance(facts, dict) or not all(isinstance(fact, dict) and "label" in fact for fact in facts.values()):
        return None
    items = []
    for name, fact in sorted(facts.items()):
        fake = str(fact["label"]).upper() == "FAKE"
        group = Path(str(fact.get("original") or name) if fake else name).stem
        items.append(
            Item(folder / name, "fake" if fake else "real", "DFDC", group, official=str(fact.get("split") or ""))
        )
    return items


def dfdc_crops(folder: Path, root: Path) -> list[Item] | None:
    """Face crops of DFDC: metadata.csv and faces_224/NAME.jpg. A fake that names no original belongs to nothing."""
    table = folder / "metadata.csv"
    if not (table.is_file() and (folder / "faces_224").is_dir()):
        return None
    items = []
    with table.open(newline="", encoding="utf-8") as file:
        lines = csv.DictReader(file)
        if not {"videoname", "label", "original"} <= set(lines.fieldnames or ()):
            return None
        for line in lines:
            fake, name = line["label"] == "FAKE", Path(line["videoname"]).stem
            group = Path(line["original"]).stem if fake else name
            if group:
                path = folder / "faces_224" / f"{name}.jpg"
                items.append(Item(path, "fake" if fake else "real", "DFDC", group, margin=DFDC_MARGIN))
    return items


def plain(folder: Path, root: Path) -> list[Item] | None:
    """real/ and fake/, nested or not. A folder of pictures below them is one group, as the frames of a clip are.

    The folder above is the source; one called train, val or test is an official part of it.
    """
    sides = [path for path in folder.iterdir() if path.is_dir() and path.name.casefold() in ("real", "fake")]
    if not sides:
        return None
    official = folder.name.casefold() if folder.name.casefold() in PARTS else ""
    source = (folder.resolve().parent if official else folder.resolve()).name
    prefix = folder.relative_to(root).as_posix()
    items = []
    for side in sorted(sides):
        label = side.name.casefold()
        for path in media(side, deep=True):
            below = path.parent.relative_to(side)
            frames = path.suffix.lower() in PICTURES and below.parts
            group = f"{prefix}/{below.as_posix() if frames else path.stem}".removeprefix("./")
            method = below.parts[0] if below.parts and label == "fake" else ""
            kind = KINDS.get(method.casefold(), "")
            items.append(Item(path, label, source, group, (), kind, method, official, PARTS.get(official)))
    return items


def _json(path: Path) -> Any:
    """What a JSON file holds; None where it is absent or none."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


LAYOUTS = {
    "FaceForensics++": faceforensics,
    "Celeb-DF": celeb_df,
    "DFDC crops": dfdc_crops,
    "DFDC": dfdc,
    "real/ and fake/": plain,
}
