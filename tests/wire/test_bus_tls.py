"""rediss:// on a real Redis that wants a certificate from its clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.certificates import Authority
from tests.support.servers import tls_redis
from wire import bus, settings
from wire.errors import ConfigError, RedisUnreachable
from wire.settings import RedisSettings

PASSWORD = "pa55word-of-redis"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def url(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    with tls_redis(folder, authority.pair(), authority.file, password=PASSWORD) as url:
        yield url.replace("//", f"//:{PASSWORD}@")


def full(url: str, authority: Authority, **changed: Any) -> RedisSettings:
    certificate, key = authority.pair("client.example")
    return RedisSettings(**{"url": url, "ca": authority.file, "certificate": certificate, "key": key} | changed)


def test_both_clients_get_in_with_a_certificate(url: str, authority: Authority) -> None:
    address = full(url, authority).url
    assert address
    with bus.connect(address) as client:
        assert client.ping()

    async def ask() -> bool:
        async with bus.connect_async(address) as other:
            return bool(await other.ping())

    assert asyncio.run(ask())


def test_without_a_certificate_it_is_refused(url: str, authority: Authority) -> None:
    address = RedisSettings(url=url, ca=authority.file).url
    assert address
    with pytest.raises(RedisUnreachable) as caught:
        bus.connect(address)
    assert "it may want redis.certificate" in str(caught.value)


def test_a_sentinel_is_spoken_to_as_the_primary_is(url: str, authority: Authority, tmp_path: Path) -> None:
    port = url.rpartition(":")[2].partition("/")[0]
    watch = f"sentinel monitor Main 127.0.0.1 {port} 1\nsentinel auth-pass Main {PASSWORD}\n"
    with tls_redis(tmp_path, authority.pair(), authority.file, password="of-the-sentinel", watch=watch) as sentinel:
        more: Any = {"sentinels": (sentinel.removeprefix("rediss://").removesuffix("/0"),)}
        address = f"rediss://:{PASSWORD}@Main/0"
        let_in = full(address, authority, sentinel_password="of-the-sentinel", **more).url
        with bus.connect(str(let_in)) as client:
            assert client.ping()

        async def ask() -> bool:
            async with bus.connect_async(str(let_in)) as other:
                return bool(await other.ping())

        assert asyncio.run(ask())
        with pytest.raises(RedisUnreachable, match=r"primary 'Main' of .*already authenticated"):
            bus.connect(str(full(address, authority, **more).url))
        with pytest.raises(RedisUnreachable, match="nobody names the primary 'Main'"):
            bus.connect(str(RedisSettings(url=address, ca=authority.file, **more).url))  # without a certificate


def test_a_server_of_another_authority_is_refused(url: str, authority: Authority, tmp_path: Path) -> None:
    address = full(url, authority, ca=Authority(tmp_path, "other").file).url
    assert address
    with pytest.raises(RedisUnreachable) as caught:
        bus.connect(address)
    said = str(caught.value)
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert PASSWORD not in said
    assert "ssl_" not in said
    assert "\n" not in said


def test_a_server_of_another_name_is_refused(authority: Authority, tmp_path: Path) -> None:
    with tls_redis(tmp_path, authority.pair("redis.example"), authority.file) as url:
        address = full(url, authority).url
        assert address
        with pytest.raises(RedisUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
            bus.connect(address)


def test_files_that_are_none_are_said_at_once(authority: Authority, tmp_path: Path) -> None:
    address = "rediss://127.0.0.1:1/0"
    (tmp_path / "text").write_text("no PEM")
    for changed, words in (
        ({"ca": tmp_path / "none"}, f"redis.ca {tmp_path}/none: No such file"),
        ({"ca": tmp_path / "text"}, "redis.ca"),
        ({"certificate": tmp_path / "none"}, "redis.certificate"),
        ({"key": authority.pair()[1]}, "KEY_VALUES_MISMATCH"),
    ):
        made = full(address, authority, **changed).url
        assert made
        for connect in (bus.connect, bus.connect_async):
            with pytest.raises(RedisUnreachable) as caught:
                connect(made)
            assert words in str(caught.value)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"url": "redis://h/0", "ca": "x"}, "wants a rediss:// url"),
        ({"ca": "x"}, "wants a rediss:// url"),
        ({"url": "rediss://h/0", "key": "x"}, "redis.key wants redis.certificate"),
    ],
)
def test_settings_that_do_not_fit(section: dict[str, str], words: str, tmp_path: Path) -> None:
    file = tmp_path / "unmask.yaml"
    file.write_text(yaml.safe_dump({"redis": section}))
    with pytest.raises(ConfigError, match=words):
        settings.load(file)


def test_what_a_child_is_given_holds_everything(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    first = full("rediss://h/0?x=1", authority).url
    assert first
    assert "ssl_ca_certs=" in first
    assert "x=1" in first
    assert RedisSettings(url=first, ca=authority.file).url == first
    monkeypatch.setenv("UNMASK_REDIS__URL", "rediss://h/0")
    monkeypatch.setenv("UNMASK_REDIS__CA", str(authority.file))
    assert "ssl_ca_certs" in (settings.load(None).redis.url or "")
