"""A Cluster in a url, and what is read out of its answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from redis.crc import key_slot

from tests.support.servers import free_port
from wire import bus, settings, slots
from wire.errors import ConfigError, RedisUnreachable
from wire.keys import Keys
from wire.settings import RedisSettings


def test_a_url_with_nodes_has_all_parts(tmp_path: Path) -> None:
    section = RedisSettings(
        url="rediss://app:pa%3Ass@n1:7000/0", prefix="{one}:", cluster=("n2:7001", "[::1]:2", "n3"), ca=tmp_path
    )
    found = slots.split(str(section.url))
    assert found is not None
    assert found.number == key_slot(b"{one}:windows") == key_slot(Keys("{one}:").track("a{b}", "c").encode())
    assert found.nodes == (("n1", 7000), ("n2", 7001), ("::1", 2), ("n3", 6379))
    assert found.options["username"] == "app"
    assert found.options["password"] == "pa:ss"
    assert found.options["ssl"]
    assert found.options["ssl_ca_certs"] == str(tmp_path)
    assert "nodes=" not in found.url
    assert bus.shown(str(section.url)) == "rediss://***@n1:7000/0"
    assert RedisSettings(**section.model_dump()).url == section.url, "a service reads what another was given"
    assert slots.split("redis://h:6379/0") is None


def test_the_owner_is_read() -> None:
    one = slots.Slot(7, (("n1", 1),), {}, "redis://n1:1/0")
    rows = [[0, 6, [b"a", 1, b"id"]], [7, 9, [b"b", 2, b"id"], [b"c", 3, b"id"]]]
    assert one.place(("n1", 1), rows) == ("b", 2)
    assert one.place(("n1", 1), [[7, 7, [None, 2, b"id"]]]) == ("n1", 2), "a node that does not know its own name"
    assert one.place(("n1", 1), rows[:1]) is None


def test_nodes_that_do_not_answer_are_one_line() -> None:
    ports = [free_port() for _ in range(2)]
    url = RedisSettings(
        url=f"redis://:hunter22@127.0.0.1:{ports[0]}/0", prefix="{u}:", cluster=(f"127.0.0.1:{ports[1]}",)
    ).url
    with pytest.raises(RedisUnreachable, match="nobody names the owner of slot") as caught:
        bus.connect(str(url))
    assert "hunter22" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_no_cluster_says_so(redis_url: str) -> None:
    url = RedisSettings(url=redis_url, prefix="{u}:", cluster=("127.0.0.1:1",)).url
    with pytest.raises(RedisUnreachable, match="nobody names the owner"):
        bus.connect(str(url))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"cluster": ["a:1"], "prefix": "{u}:"}, "wants one of its nodes in redis.url"),
        ({"url": "unix:///x", "cluster": ["a:1"], "prefix": "{u}:"}, "wants one of its nodes in redis.url"),
        ({"url": "redis://h/0", "cluster": ["a:1"]}, "wants a hash tag in redis.prefix"),
        ({"url": "redis://h/0", "cluster": ["a:1"], "prefix": "{}:"}, "wants a hash tag in redis.prefix"),
        ({"url": "redis://h/0", "cluster": ["a:b"], "prefix": "{u}:"}, "redis.cluster wants HOST or HOST:PORT"),
        ({"url": "redis://h/0", "cluster": ["a"], "sentinels": ["b"], "prefix": "{u}:"}, "exclude each other"),
    ],
)
def test_settings_that_do_not_fit(section: dict[str, object], words: str, tmp_path: Path) -> None:
    file = tmp_path / "unmask.yaml"
    file.write_text(yaml.safe_dump({"redis": section}))
    with pytest.raises(ConfigError, match=words):
        settings.load(file)
