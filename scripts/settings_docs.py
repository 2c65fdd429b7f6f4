"""Writes unmask.example.yaml, docs/configuration.md and the schema from wire/settings/; tested.

python scripts/settings_docs.py
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from wire.schema import schema
from wire.settings import CameraSettings, Settings

ROOT = Path(__file__).parents[1]
EXAMPLE, PAGE = ROOT / "unmask.example.yaml", ROOT / "docs" / "configuration.md"
SCHEMA = ROOT / "docs" / "unmask.schema.json"

EXAMPLE_HEAD = """\
# yaml-language-server: $schema=docs/unmask.schema.json
# Every setting of Unmask with its default; copy this file to unmask.yaml and keep what you change.
# An UNMASK_ variable wins over the file: UNMASK_DASHBOARD__PORT=9000, UNMASK_WORKER__DEVICE=cuda.
# REDIS_URL sets redis.url. NAME_FILE=/run/secrets/x gives any of these, and any ${NAME}, by a file.

# Name and source of each camera. Sources: rtsp:// rtsps:// rtmp:// srt:// http(s):// (HLS, MJPEG),
# webcam:0, screen: (or screen:1280x720+0+0, screen:?window=TITLE), a video file. ${NAME} is taken from the environment.
cameras: {}
#  front-door:
#    url: rtsp://${CAMERA_USER}:${CAMERA_PASSWORD}@192.0.2.10:554/stream1
"""

PAGE_HEAD = """\
# Configuration

`unmask.yaml` in the current folder, or the file named with `--config`; `unmask.example.yaml` holds every key with its
default. An environment variable wins over the file: `UNMASK_` and the path of the key, joined by `__`
(`UNMASK_DASHBOARD__PORT=9000`). `REDIS_URL` sets `redis.url`. An unknown key, a wrong type or a value out of range
stops the start with one line and exit code 2. `unmask check` validates the file and probes every camera.

The streamer looks at the file all the time: cameras that are added, taken out or changed there take effect within 2
seconds, and no other camera is touched. Settings besides the cameras take effect after a restart; the log names those
that have changed. A file that is not valid is refused whole: the configuration before goes on, and the log and the page
say why. What was set by the environment stays.

In a camera's `url`, `${NAME}` is taken from the environment, so that no password needs to stand in the file.
Any of these variables may stand in a file of its own instead: where `NAME` is not set, `NAME_FILE` names the file that
holds it, as `UNMASK_DASHBOARD__TOKEN_FILE=/run/secrets/token`, `REDIS_URL_FILE`, `CAMERA_PASSWORD_FILE`; a line's end
is taken off. Then it is not in the environment of a process at all.
`unmask schema` prints the JSON Schema of the file: an editor with a YAML language server completes and checks it while
you write. In the repository it is `docs/unmask.schema.json`, which the first line of the example names.
Credentials never appear in logs, in Redis or on the page.
"""


def _plain(value: Any) -> Any:
    """The value as YAML and Markdown show it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, PurePath):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _yaml(value: Any) -> str:
    return yaml.safe_dump(_plain(value), default_flow_style=True, width=1000).strip().removesuffix("...").strip()


def _section(model: type[BaseModel], depth: int) -> list[str]:
    """The keys of one section that have a default, as YAML lines with their descriptions as comments."""
    lines = []
    for name, field in model.model_fields.items():
        if field.is_required():
            continue
        if isinstance(field.default, BaseModel):
            lines += [f"{'  ' * depth}{name}:", *_section(type(field.default), depth + 1)]
            continue
        line = f"{'  ' * depth}{name}: {_yaml(field.default)}"
        lines.append(f"{line.ljust(38)} # {field.description}")
        if named := _named(field):
            lines += [f"#{'  ' * depth}  <name>:", *("#" + line for line in _entry(named, depth + 2))]
    return lines


def _named(field: FieldInfo) -> type[BaseModel] | None:
    """The section that each name of this field's mapping has, if it is such a mapping."""
    kind = get_args(field.annotation)[1] if get_origin(field.annotation) is dict else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _entry(model: type[BaseModel], depth: int) -> list[str]:
    """All keys of a named section: what is required first, then the defaults."""
    required = [
        f"{('  ' * depth + name + ':').ljust(38)} # {field.description}"
        for name, field in model.model_fields.items()
        if field.is_required()
    ]
    return [*required, *_section(model, depth)]


def example() -> str:
    """The text of unmask.example.yaml."""
    camera = ["#" + line for line in _section(CameraSettings, 2)]
    lines = [EXAMPLE_HEAD.rstrip("\n"), *camera, ""]
    for name, field in Settings.model_fields.items():
        if name == "cameras":
            continue
        if isinstance(field.default, BaseModel):
            about = (type(field.default).__doc__ or "").strip()
            lines += [f"# {about}", f"{name}:", *_section(type(field.default), 1), ""]
        else:
            lines.append(f"{f'{name}: {_yaml(field.default)}'.ljust(38)} # {field.description}")
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], path: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            rows += _rows(type(field.default), f"{path}{name}.")
        elif path and (named := _named(field)):
            rows += _rows(named, f"{path}{name}.<name>.")
        elif path or name != "cameras":
            default = "required" if field.is_required() else f"`{_yaml(field.default)}`"
            rows.append(f"| `{path}{name}` | {default} | {field.description} |")
    return rows


def page() -> str:
    """The text of docs/configuration.md."""
    head = ["| key | default | what it does |", "| --- | --- | --- |"]
    return "\n".join([PAGE_HEAD, *head, *_rows(CameraSettings, "cameras.<name>."), *_rows(Settings, ""), ""])


if __name__ == "__main__":
    EXAMPLE.write_text(example(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.write_text(schema() + "\n", encoding="utf-8")
