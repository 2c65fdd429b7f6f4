"""Each layout is recognised by what is there, wherever it lies; what belongs to none is named."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unmask.data import making
from unmask.data.layouts import Item, discover


def by_name(folder: Path) -> dict[str, Item]:
    return {item.path.relative_to(folder).as_posix(): item for item in discover(folder).items}


def test_faceforensics(tmp_path: Path) -> None:
    making.actors(making.faceforensics(tmp_path / "ff", [(0, 3)]), 2)
    making.faceforensics(tmp_path / "ff", [(0, 3)], "c40")
    making.touch(tmp_path / "ff/manipulated_sequences/Deepfakes", ["masks/videos/000_003.mp4", "c23/videos/odd.mp4"])
    found = discover(tmp_path)
    items = {item.path.relative_to(tmp_path / "ff").as_posix(): item for item in found.items}
    assert len(items) == 2 * 5 + 4
    real = items["original_sequences/youtube/c40/videos/003.mp4"]
    assert (real.label, real.source, real.group, real.people, real.kind) == ("real", "FF++", "003", ("003",), "")
    fake = items["manipulated_sequences/Deepfakes/c23/videos/003_000.mp4"]
    assert (fake.label, fake.group, fake.people) == ("fake", "003", ("003", "000"))
    assert (fake.kind, fake.method) == ("swap", "Deepfakes")
    assert items["manipulated_sequences/NeuralTextures/c23/videos/000_003.mp4"].kind == "reenactment"
    swap = items["manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking_outside__ZK95PQDE.mp4"]
    assert (swap.source, swap.group, swap.people) == ("DFD", "01__walking_outside", ("01", "02"))
    assert items["original_sequences/actors/c23/videos/01__walking_outside.mp4"].group == swap.group
    assert found.layouts == {"FaceForensics++": 1}
    assert found.unknown == {
        "ff/manipulated_sequences/Deepfakes/masks/videos": 1, "ff/manipulated_sequences/Deepfakes/c23/videos": 1,
    }  # fmt: skip


def test_faceforensics_official_lists(tmp_path: Path) -> None:
    making.faceforensics(tmp_path, [(0, 3), (1, 2), (4, 5)])
    (tmp_path / "splits").mkdir()
    for part, pair in (("train", ["000", "003"]), ("val", ["001", "002"]), ("test", ["004", "005"])):
        (tmp_path / "splits" / f"{part}.json").write_text(json.dumps([pair]))
    items = by_name(tmp_path)
    found = {item.group: (item.official, item.split) for item in items.values()}
    assert found["003"] == ("train", "train")
    assert found["001"] == ("val", "dev")
    assert found["005"] == ("test", "dev")


def test_celeb_df(tmp_path: Path) -> None:
    items = by_name(making.celeb_df(tmp_path, 3))
    assert len(items) == 6 + 6 + 3
    fake = items["Celeb-synthesis/id0_id1_0000.mp4"]
    assert (fake.label, fake.group, fake.people) == ("fake", "id0_0000", ("id0", "id1"))
    assert (fake.kind, fake.official, fake.split) == ("swap", "test", None)
    assert items["Celeb-real/id0_0000.mp4"].group == fake.group
    assert items["Celeb-real/id0_0000.mp4"].official == "train"
    assert items["YouTube-real/00000.mp4"].people == ()


def test_dfdc_parts(tmp_path: Path) -> None:
    making.dfdc(tmp_path / "dfdc_train_part_0", ["aa", "bb"])
    making.dfdc(tmp_path / "dfdc_train_part_1", ["cc"])
    (tmp_path / "dfdc_train_part_1/ccx.mp4").unlink()
    found = discover(tmp_path)
    assert found.layouts == {"DFDC": 2}
    assert found.absent == 1
    assert sorted((item.path.stem, item.label, item.group) for item in found.items) == [
        ("aa", "real", "aa"), ("aax", "fake", "aa"), ("aay", "fake", "aa"),
        ("bb", "real", "bb"), ("bbx", "fake", "bb"), ("bby", "fake", "bb"),
        ("cc", "real", "cc"), ("ccy", "fake", "cc"),
    ]  # fmt: skip


def test_dfdc_crops(tmp_path: Path) -> None:
    lines = [("fa", "FAKE", "ra.mp4"), ("ra", "REAL", ""), ("nameless", "FAKE", "")]
    found = discover(making.dfdc_crops(tmp_path, lines))
    assert [(i.path.name, i.label, i.group, i.margin) for i in found.items] == [
        ("fa.jpg", "fake", "ra", 0.8), ("ra.jpg", "real", "ra", 0.8),
    ]  # fmt: skip
    assert found.unknown == {"faces_224": 1}


def test_real_and_fake_folders(tmp_path: Path) -> None:
    making.touch(
        tmp_path / "set/train",
        ["Real/a.mp4", "Fake/a.mp4", "Fake/FaceSwap/b.mp4", "Real/clip1/01.jpg", "Fake/clip1/01.png", "Real/notes.txt"],
    )
    making.touch(tmp_path / "set/test", ["real/a.mp4"])
    items = by_name(tmp_path)
    assert len(items) == 6
    assert {item.source for item in items.values()} == {"set"}
    assert items["set/train/Real/a.mp4"].group == items["set/train/Fake/a.mp4"].group == "set/train/a"
    assert items["set/test/real/a.mp4"].group != items["set/train/Real/a.mp4"].group
    assert (items["set/test/real/a.mp4"].split, items["set/train/Real/a.mp4"].split) == ("dev", "train")
    assert (items["set/train/Fake/FaceSwap/b.mp4"].kind, items["set/train/Fake/FaceSwap/b.mp4"].group) == (
        "swap", "set/train/b",
    )  # fmt: skip
    assert items["set/train/Real/clip1/01.jpg"].group == items["set/train/Fake/clip1/01.png"].group == "set/train/clip1"


def test_several_layouts_below_one_folder_and_a_link_in_circles(tmp_path: Path) -> None:
    making.faceforensics(tmp_path / "a/ff", [(0, 1)])
    making.celeb_df(tmp_path / "b", 2)
    making.touch(tmp_path, ["c/real/x.mp4", "stray/y.mp4"])
    (tmp_path / "stray/back").symlink_to(tmp_path)
    elsewhere = making.dfdc(tmp_path.parent / f"{tmp_path.name}-elsewhere", ["zz"])
    (tmp_path / "linked").symlink_to(elsewhere)
    found = discover(tmp_path)
    assert found.layouts == {"FaceForensics++": 1, "Celeb-DF": 1, "real/ and fake/": 1, "DFDC": 1}
    assert {item.source for item in found.items} == {"FF++", "Celeb-DF", "c", "DFDC"}
    assert found.unknown == {"stray": 1}
