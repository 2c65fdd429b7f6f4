"""Sentinels in a url, and clients that follow them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.servers import free_port
from wire import bus, sentinels, settings
from wire.errors import ConfigError, RedisUnreachable
from wire.redact import redact
from wire.settings import RedisSettings


def test_a_url_with_sentinels_has_all_parts() -> None:
    section = RedisSettings(
        url="redis://app:pa%3Ass@myPrimary/2", sentinels=("a:1", "[::1]:2", "c"), sentinel_password="of them"
    )  # type: ignore[arg-type]
    assert section.url == ("redis://app:pa%3Ass@myPrimary/2?sentinels=a:1,[::1]:2,c:26379&sentinel_password=of+them")
    found = sentinels.split(section.url)
    assert found is not None
    assert (found.name, found.nodes) == ("myPrimary", (("a", 1), ("::1", 2), ("c", 26379)))
    assert found.options["password"] == "of them"
    assert found.url == "redis://app:pa%3Ass@myPrimary/2"
    assert bus.shown(section.url) == "redis://***@myPrimary/2"
    assert "of+them" not in redact(section.url)
    assert RedisSettings(**section.model_dump()).url == section.url, "a service reads what another was given"
    assert sentinels.split("redis://h:6379/0") is None


def test_tls_is_the_sentinels_too(tmp_path: Path) -> None:
    section = RedisSettings(url="rediss://p/0", ca=tmp_path / "ca.pem", sentinels=("a",))
    assert section.url is not None
    found = sentinels.split(section.url)
    assert found is not None
    assert found.options["ssl"]
    assert found.options["ssl_ca_certs"] == str(tmp_path / "ca.pem")


def test_sentinels_that_do_not_answer_are_one_line() -> None:
    url = RedisSettings(url="redis://:hunter22@p/0", sentinels=(f"127.0.0.1:{free_port()}",)).url
    assert url is not None
    with pytest.raises(RedisUnreachable, match=r"nobody names the primary 'p' of redis\.sentinels") as caught:
        bus.connect(url)
    assert "hunter22" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"sentinels": ["a:1"]}, "wants the primary's name"),
        ({"url": "redis://h:6379/0", "sentinels": ["a:1"]}, "wants the primary's name"),
        ({"url": "unix:///x", "sentinels": ["a:1"]}, "wants the primary's name"),
        ({"url": "redis://p/0", "sentinels": ["a:b"]}, "wants HOST or HOST:PORT"),
        ({"url": "redis://p/0", "sentinels": ["redis://a:1"]}, "wants HOST or HOST:PORT"),
        ({"url": "redis://p/0", "sentinels": "a:1"}, "redis.sentinels"),
        ({"url": "redis://h/0", "sentinel_password": "x"}, "wants redis.sentinels"),
    ],
)
def test_settings_that_do_not_fit(section: dict[str, object], words: str, tmp_path: Path) -> None:
    file = tmp_path / "unmask.yaml"
    file.write_text(yaml.safe_dump({"redis": section}))
    with pytest.raises(ConfigError, match=words):
        settings.load(file)
