"""`unmask demo`: renders the virtual cameras once, then runs everything on them as on any cameras."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import platformdirs
import yaml
from rich.console import Console
from rich.progress import Progress

from unmask import runner
from unmask.demo import scene
from unmask.start import with_port
from wire import settings

CAMERAS = {"lobby-untouched": False, "call-manipulated": True}


def run(port: int | None) -> int:
    """Play the demo until a signal; the exit code. Its state is thrown away afterwards."""
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="unmask-demo-") as folder:
        clips = prepare(Path(platformdirs.user_cache_dir("unmask")) / "demo", console)
        config = Path(folder) / "unmask.yaml"
        config.write_text(yaml.safe_dump(configuration(clips, Path(folder))), encoding="utf-8")
        os.environ.pop("REDIS_URL", None)  # the demo never writes into somebody's Redis
        return runner.run(with_port(settings.load(config), port), config, lambda page: _announce(console, page))


def configuration(clips: dict[str, Path], state: Path) -> dict[str, object]:
    """The demo's settings, as they would stand in unmask.yaml."""
    return {
        "cameras": {name: {"url": str(clip), "loop": True} for name, clip in clips.items()},
        "state": str(state),
        "telemetry": {"log_level": "warning"},
    }


def prepare(folder: Path, console: Console) -> dict[str, Path]:
    """Camera name -> its clip, rendered into `folder` unless this version's is there already."""
    stamp = hashlib.sha256(Path(scene.__file__).read_bytes() + scene.PICTURE.read_bytes()).hexdigest()[:12]
    clips = {name: folder / f"{name}-{stamp}.mp4" for name in CAMERAS}
    missing = [name for name, clip in clips.items() if not clip.exists()]
    if not missing:
        return clips
    folder.mkdir(parents=True, exist_ok=True)
    with Progress(console=console, transient=True) as progress:
        for name in progress.track(missing, description="rendering the virtual cameras"):
            part = clips[name].with_suffix(f".{os.getpid()}.part")
            scene.render(part, manipulated=CAMERAS[name], mirror=CAMERAS[name])
            part.replace(clips[name])
    return clips


def _announce(console: Console, page: str) -> None:
    console.print(
        f"[bold green]watching two virtual cameras[/] · open [link={page}]{page}[/link]\n"
        "[bold]call-manipulated[/] shows a face blended over the person's own: an alert follows within seconds.\n"
        "[bold]lobby-untouched[/] shows the same person as photographed: no alert.\n"
        f"In another terminal: unmask watch ws{page.removeprefix('http')}ws/v1 · Ctrl-C stops."
    )
