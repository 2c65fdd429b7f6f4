"""OBS Studio without a person before it: a scene of one picture, pushed from the start to a place of ours."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import end

SIZE = (640, 360)
GLOBAL = """[General]
FirstRun=true
EnableAutoUpdates=false
LastVersion=2000000000
[Basic]
Profile=unmask
ProfileDir=unmask
SceneCollection=unmask
SceneCollectionFile=unmask
"""
PROFILE = f"""[General]
Name=unmask
[Output]
Mode=Simple
[SimpleOutput]
VBitrate=1500
ABitrate=96
StreamEncoder=x264
Preset=ultrafast
[Video]
BaseCX={SIZE[0]}
BaseCY={SIZE[1]}
OutputCX={SIZE[0]}
OutputCY={SIZE[1]}
FPSType=0
FPSCommon=10
"""


def configure(home: Path, picture: Path, server: str, key: str) -> None:
    """What OBS reads below `home`, as if somebody had filled in Settings, Stream."""
    folder = home / ".config" / "obs-studio"
    profile, scenes = folder / "basic" / "profiles" / "unmask", folder / "basic" / "scenes"
    for one in (profile, scenes):
        one.mkdir(parents=True)
    (folder / "global.ini").write_text(GLOBAL)
    (profile / "basic.ini").write_text(PROFILE)
    service = {"type": "rtmp_custom", "settings": {"server": server, "key": key, "use_auth": False, "bwtest": False}}
    (profile / "service.json").write_text(json.dumps(service))
    shown = {
        "name": "Face", "id": 1, "visible": True, "locked": False, "align": 5, "rot": 0.0,
        "pos": {"x": 0.0, "y": 0.0}, "scale": {"x": 1.0, "y": 1.0}, "bounds_type": 2, "bounds_align": 0,
        "bounds": {"x": float(SIZE[0]), "y": float(SIZE[1])},
    }  # fmt: skip
    scene = {
        "name": "unmask", "scene_order": [{"name": "Scene"}],
        "current_scene": "Scene", "current_program_scene": "Scene",
        "sources": [
            {"id": "image_source", "versioned_id": "image_source", "name": "Face", "settings": {"file": str(picture)}},
            {"id": "scene", "versioned_id": "scene", "name": "Scene", "settings": {"id_counter": 1, "items": [shown]}},
        ],
    }  # fmt: skip
    (scenes / "unmask.json").write_text(json.dumps(scene))


@contextmanager
def pushing(program: str, home: Path, display: str) -> Iterator[subprocess.Popen[bytes]]:
    """OBS, streaming; its log is obs.log below `home`."""
    environment = os.environ | {
        "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "XDG_RUNTIME_DIR": str(home), "DISPLAY": display,
        "LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb",
    }  # fmt: skip
    command = [program, "--multi", "--startstreaming", "--minimize-to-tray", "--disable-updater",
               "--profile", "unmask", "--collection", "unmask"]  # fmt: skip
    with (home / "obs.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            end(process)
