"""`unmask demo`: renders the virtual cameras once, then runs everything on them as on any cameras."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import av.error
import platformdirs
import yaml
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from unmask import runner
from unmask.demo import scene
from unmask.start import with_port
from wire import settings
from wire.errors import ServiceError

CAMERAS = {"lobby-untouched": False, "call-manipulated": True}


def run(port: int | None) -> int:
    """Play the demo until a signal; the exit code. Its state is thrown away afterwards. Raises ServiceError."""
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
    """Camera name -> its clip, rendered into `folder` unless this version's is there already. Raises ServiceError."""
    stamp = hashlib.sha256(Path(scene.__file__).read_bytes() + scene.PICTURE.read_bytes()).hexdigest()[:12]
    clips = {name: folder / f"{name}-{stamp}.mp4" for name in CAMERAS}
    missing = [name for name, clip in clips.items() if not clip.exists()]
    if not missing:
        return clips
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(console=console, transient=True) as progress:
            for name in progress.track(missing, description="rendering the virtual cameras"):
                _render(name, clips[name])
    except (OSError, av.error.FFmpegError) as error:
        raise ServiceError(
            f"can't write the virtual cameras into {folder} ({error.strerror})",
            "make room there, or set XDG_CACHE_HOME to a writable folder",
        ) from None
    return clips


def _render(name: str, clip: Path) -> None:
    """Write one, whole or not at all."""
    part = clip.with_suffix(f".{os.getpid()}.part")
    try:
        scene.render(part, manipulated=CAMERAS[name], mirror=CAMERAS[name])
        part.replace(clip)
    finally:
        part.unlink(missing_ok=True)


def _announce(console: Console, page: str) -> None:
    console.print(
        f"[bold green]watching two virtual cameras[/] · open [link={page}]{page}[/link]\n"
        "[bold]call-manipulated[/] shows a face blended over the person's own: an alert follows within seconds.\n"
        "[bold]lobby-untouched[/] shows the same person as photographed: no alert.\n"
        f"In another terminal: {escape(_called())} watch ws{page.removeprefix('http')}ws/v1 · Ctrl-C stops.",
        soft_wrap=True,
    )


def _called() -> str:
    """How this program is called in another terminal of this folder: `make demo` puts it on nobody's PATH."""
    if shutil.which("unmask"):
        return "unmask"
    return sys.argv[0] if Path(sys.argv[0]).name != "__main__.py" else f"{sys.executable} -m unmask"
