"""https and wss: what is served, what is refused at the start, and a certificate that is renewed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import warnings
from pathlib import Path

import httpx
import pytest
import redis

from dashboard import tls
from dashboard.client import AddressError, Client, SubscribeError
from dashboard.protocol import AlertMessage
from tests.dashboard.feed import Feed
from tests.dashboard.test_service import command, running
from tests.support.certificates import Authority, self_signed
from tests.support.servers import Pair, wait_until
from wire.errors import ConfigError


def environment(pair: Pair) -> dict[str, str]:
    return {"UNMASK_DASHBOARD__TLS_CERTIFICATE": str(pair[0]), "UNMASK_DASHBOARD__TLS_KEY": str(pair[1])}


async def first_alert(url: str, ca: Path | None) -> str:
    async with asyncio.timeout(20):
        async for event in Client(url, since="0", ca=ca):
            if isinstance(event, AlertMessage):
                return event.alert.camera
    raise AssertionError


def test_page_health_and_subscription(redis_url: str, bus: redis.Redis, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    Feed(bus).alert("a1", "new", camera="door")
    with running(redis_url, **environment(authority.pair())) as (_, url):
        assert url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=authority.file)
        with httpx.Client(verify=trust, base_url=url) as client:
            for path in ("/", "/healthz", "/metrics", "/api/v1/cameras", "/static/app.js"):
                assert client.get(path).status_code == 200, path
            # On a loopback address it would bind every other site of "localhost" to https.
            assert "strict-transport-security" not in client.get("/").headers
        old = ssl.create_default_context(cafile=authority.file)
        with warnings.catch_warnings(action="ignore"):  # that it is old is the point
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, verify=old)
        with pytest.raises(httpx.HTTPError):
            httpx.get(url.replace("https", "http"))
        address = f"wss{url[5:]}/ws/v1"
        assert asyncio.run(first_alert(address, authority.file)) == "door"
        with pytest.raises(SubscribeError, match="TLS failed"):
            asyncio.run(first_alert(address, None))


def test_hsts_where_others_can_come_in(redis_url: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    open_to_all = {"UNMASK_DASHBOARD__HOST": "0.0.0.0", "UNMASK_DASHBOARD__TOKEN": "a-long-random-text"}
    with running(redis_url, **environment(authority.pair()), **open_to_all) as (_, url):
        answer = httpx.get(url, verify=ssl.create_default_context(cafile=authority.file))
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_watch_with_its_own_certificate_as_the_authority(redis_url: str, bus: redis.Redis, tmp_path: Path) -> None:
    pair = self_signed(tmp_path)
    Feed(bus).alert("a1", "new", camera="door")
    with running(redis_url, **environment(pair)) as (process, url):
        assert process.stderr is not None
        assert "every user of this machine can read the key" in process.stderr.readline()
        watch = ["watch", "--json", "--since", "0", f"wss{url[5:]}/ws/v1"]
        one = subprocess.Popen(
            [command()["args"][0], "-m", "unmask", *watch, "--ca", str(pair[0])],
            env={**os.environ, "NO_COLOR": "1"}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert one.stdout is not None
            assert json.loads(one.stdout.readline())["alert"]["camera"] == "door"
        finally:
            one.terminate()
            one.wait(10)
            assert one.stdout is not None
            one.stdout.close()


def test_a_ca_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no PEM")
    for name in ("text", "none"):
        with pytest.raises(AddressError, match=name):
            Client("wss://h/ws/v1", ca=tmp_path / name)


def test_the_certificate_is_renewed_without_a_restart(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    live = authority.pair()
    certificate = tls.Certificate(*live)
    before = certificate.expires
    assert not certificate.renew()

    broken = authority.pair()  # another key: half of a renewal
    shutil.copy(broken[0], live[0])
    with pytest.raises(ConfigError, match="is not the key of"):
        certificate.renew()
    assert not certificate.renew()  # told once

    shutil.copy(broken[1], live[1])
    assert certificate.renew()
    assert certificate.expires >= before
    assert served(certificate.context, authority) == ssl.PEM_cert_to_DER_cert(first_of(broken[0]))


def test_the_running_service_serves_the_new_certificate(redis_url: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    live, new = authority.pair(), authority.pair()
    with running(redis_url, **environment(live)) as (_, url):
        port = int(url.rsplit(":", 1)[1])
        assert ssl.get_server_certificate(("127.0.0.1", port)) == first_of(live[0])
        for source, target in zip(new, live, strict=True):
            shutil.copy(source, target)
        wait_until(
            lambda: ssl.get_server_certificate(("127.0.0.1", port)) == first_of(new[0]), 3 * tls.LOOK_S, "the new one"
        )


def first_of(file: Path) -> str:
    """The server's own certificate, as PEM."""
    end = "-----END CERTIFICATE-----\n"
    return file.read_text().partition(end)[0] + end


def served(server: ssl.SSLContext, authority: Authority) -> bytes | None:
    """What a handshake with this context shows."""
    client = ssl.create_default_context(cafile=authority.file)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(back, there, server_hostname="localhost")
    far = server.wrap_bio(there, back, server_side=True)
    for _ in range(3):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return near.getpeercert(True)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("missing", "No such file"),
        ("mismatch", "is not the key of"),
        ("expired", "has expired"),
        ("text", "do not hold a certificate"),
        ("encrypted", "an unencrypted key"),
        ("key-alone", "is set alone"),
    ],
)
def test_what_can_not_be_served_is_one_line(case: str, words: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.pair(expired=case == "expired")
    if case == "missing":
        key.unlink()
    elif case == "mismatch":
        key = authority.pair()[1]
    elif case == "text":
        certificate.write_text("hello")
    elif case == "encrypted":
        plain, key = key, tmp_path / "locked.key"
        subprocess.run(
            ["openssl", "pkey", "-aes256", "-passout", "pass:secret", "-in", str(plain), "-out", str(key)],
            check=True, capture_output=True,
        )  # fmt: skip
    settings = environment((certificate, key))
    if case == "key-alone":
        del settings["UNMASK_DASHBOARD__TLS_CERTIFICATE"]
    started = {**command(REDIS_URL="redis://127.0.0.1:1/0", UNMASK_DASHBOARD__PORT="0", **settings)}
    done = subprocess.run(**started, stdin=subprocess.DEVNULL, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
    assert "dashboard.tls_" in done.stderr
