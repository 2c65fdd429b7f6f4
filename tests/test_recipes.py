"""The recipes' blocks: ours are taken by the loader, the others' agree with ours and with what is published."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from dashboard.history import Entry
from dashboard.notify import mqtt_topics
from dashboard.notify.mqtt import options
from dashboard.protocol import CameraView
from streamer import sources
from tests.dashboard.feed import alert_event
from wire.settings import Settings, load

PAGES = Path(__file__).parents[1] / "docs" / "recipes"
RECIPES = sorted(PAGES.glob("*.md"))
SET = {
    "CAMERA_USER": "viewer",
    "CAMERA_PASSWORD": "hunter22",
    "RESTREAM_PASSWORD": "hunter33",
    "MQTT_PASSWORD": "hunter44",
}


def block(page: str, title: str) -> str:
    """The fenced block of that title, a configuration file."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    [found] = re.findall(rf'^```yaml title="{re.escape(title)}"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads the block of a page that is for unmask.yaml."""
    for name, value in SET.items():
        monkeypatch.setenv(name, value)

    def read(page: str) -> Settings:
        path = tmp_path / "unmask.yaml"
        path.write_text(block(page, "unmask.yaml"))
        return load(path)

    return read


@pytest.mark.parametrize("page", [path.stem for path in RECIPES])
def test_our_block_is_a_configuration(page: str, ours: Any) -> None:
    settings = ours(page)
    assert settings.cameras
    for camera in settings.cameras.values():
        source = sources.parse(camera)
        assert source.network
        assert not any(secret in source.name for secret in SET.values() if secret != "viewer")
    if settings.notify.mqtt.url:
        assert options(settings.notify.mqtt.url.get_secret_value(), "unmask", 10)["password"] == "hunter44"
    if settings.dashboard.public_url:
        assert page == "home-assistant"


@pytest.mark.parametrize(("page", "title"), [("go2rtc", "go2rtc.yaml"), ("frigate", "Frigate's config.yml")])
def test_each_url_is_a_stream_of_the_restreamer(page: str, title: str, ours: Any) -> None:
    theirs = yaml.safe_load(block(page, title))
    restream = theirs.get("go2rtc", theirs)
    port = int(restream["rtsp"].get("listen", ":8554").removeprefix(":"))
    for camera in ours(page).cameras.values():
        url = urlsplit(camera.url)
        assert url.port == port
        assert url.path.removeprefix("/") in restream["streams"]
        assert url.username == restream["rtsp"]["username"]


def test_frigate_reads_its_own_restream_and_both_use_one_broker(ours: Any) -> None:
    theirs, settings = yaml.safe_load(block("frigate", "Frigate's config.yml")), ours("frigate")
    for name, camera in theirs["cameras"].items():
        assert [one["path"] for one in camera["ffmpeg"]["inputs"]] == [f"rtsp://127.0.0.1:8554/{name}"]
        assert name in settings.cameras
    assert urlsplit(settings.notify.mqtt.url.get_secret_value()).hostname == theirs["mqtt"]["host"]


def test_home_assistants_automations_name_what_is_published(ours: Any) -> None:
    [name] = ours("home-assistant").cameras
    view = CameraView(name=name, verdict="clean", why="", state="live")
    published = mqtt_topics.discovery("homeassistant", "unmask", [view], None)
    entities = {
        f"{topic.split('/')[1]}.{_slug(config['device']['name'])}_{_slug(config['name'])}"
        for topic, config in ((topic, json.loads(payload)) for topic, payload in published.items())
    }
    text = block("home-assistant", "automations.yaml")
    named = set(
        re.findall(r"\b(?:binary_sensor|sensor)\.\w+", (PAGES / "home-assistant.md").read_text(encoding="utf-8"))
    )
    assert named == entities
    automations = yaml.safe_load(text)
    topics = {one["topic"] for auto in automations for one in auto["trigger"] if one["platform"] == "mqtt"}
    assert topics == {"unmask/alerts"}
    event = json.loads(Entry.of((1, 0), alert_event("a1")).text)
    for path in re.findall(r"trigger\.payload_json\.([\w.]+)", text):
        value: Any = event
        for key in path.split("."):
            value = value[key]
        assert value is not None


def _slug(name: str) -> str:
    """As Home Assistant makes an entity's id of names."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())
