"""The whole system with a marked secret in every place that takes one, broken in every way, then searched for them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import redis
import yaml
from websockets.sync.client import connect

from dashboard.access import hashing
from tests.e2e.canary import Canaries, arguments, forms, stored, written
from tests.support import clips
from tests.support.certificates import Authority
from tests.support.receiver import Receiver
from tests.support.servers import RtspServer, end, free_port, unmask, valkey, wait_until

ROOT = Path(__file__).parents[2]
# As `unmask run --config FILE` for each, in one process: importing takes longer than refusing.
RUN_EACH = """
import sys
from unmask import __main__, cli
files = sys.argv[1:]
for file in files:
    sys.argv[1:] = ["run", "--config", file]
    try:
        __main__.main()
    except SystemExit as end:
        assert end.code in (1, 2), (file, end.code)
"""


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


class System:
    """`unmask run` on a Valkey with a password and an append-only file, https, and receivers that refuse."""

    def __init__(self, folder: Path, redis_url: str, camera: str, canaries: Canaries, receiver: Receiver) -> None:
        self.folder, self.port = folder, free_port()
        self.authority = Authority(folder)
        certificate, key = self.authority.pair()
        for number, line in enumerate(key.read_text().splitlines()[1:-1]):
            canaries.add(f"tls key line {number}", line)
        self.token = canaries.new("token")
        closed, ours = free_port(), receiver.url.rpartition("/")[0].removeprefix("http://")
        password = {name: quote(canaries.new(name, "@/#"), safe="") for name in ("wrong", "unreachable", "query")}
        apprise = canaries.new("apprise")
        self.password = canaries.new("user's password", "@")
        stored_hash = hashing.made(self.password)
        canaries.add("user's hash", stored_hash.rpartition("$")[2])
        self.settings: dict[str, Any] = {
            "cameras": {
                "right": {"url": camera},
                "wrong": {"url": re.sub(r":[^:@]*@", f":{password['wrong']}@", camera)},
                "unreachable": {"url": f"rtsp://admin:{password['unreachable']}@127.0.0.1:{closed}/x"},
                "rtsps": {"url": f"rtsps://admin:{canaries.new('rtsps')}@127.0.0.1:{closed}/x"},
                "query": {"url": f"http://127.0.0.1:{closed}/video?user=admin&password={password['query']}"},
                "srt": {"url": f"srt://127.0.0.1:{closed}?passphrase={canaries.new('srt')}"},
                "odd": {"url": f"rtsp://admin:{canaries.new('odd', ':@')}@nowhere.invalid/x"},
                "environment": {"url": f"rtsp://admin:${{CANARY_PASSWORD}}@127.0.0.1:{closed}/x"},
                "pushed": {
                    "url": f"rtmp://127.0.0.1:{free_port()}/live/{canaries.new('stream-key')}", "listen": "loopback",
                },
            },
            "alerts": {"offline_after_s": 1, "cooldown_s": 0},
            "streamer": {"connect_timeout_s": 2, "backoff_s": [0.3]},
            "dashboard": {
                "port": self.port, "tls_certificate": str(certificate), "tls_key": str(key),
                "users": {"otto": {"role": "operator", "hash": stored_hash}},
            },
            "notify": {
                "webhooks": {
                    "refusing": {
                        "url": f"http://u:{canaries.new('webhook-password')}@{ours}/{canaries.new('webhook-path')}",
                        "secret": canaries.new("webhook-secret"),
                    },
                    "away": {"url": f"https://127.0.0.1:{closed}/?token={canaries.new('webhook-token')}"},
                },
                "apprise": {
                    "refusing": {"url": f"json://user:{canaries.new('apprise-password')}@{ours}/{apprise}"},
                    "away": {"url": f"ntfys://user:{canaries.new('ntfy')}@127.0.0.1:{closed}/topic"},
                },
                "mqtt": {"url": f"mqtt://user:{quote(canaries.new('mqtt', '@'))}@127.0.0.1:{closed}"},
            },
            "state": str(folder / "state"),
            "telemetry": {"log_level": "debug", "log_format": "json"},
        }  # fmt: skip
        self.env = {
            **os.environ, "REDIS_URL_FILE": self.secret_file("redis", redis_url),
            "UNMASK_DASHBOARD__TOKEN_FILE": self.secret_file("token", self.token),
            "CANARY_PASSWORD": canaries.new("environment"),
        }  # fmt: skip
        self.redis_url = redis_url
        self.config = folder / "secret" / "unmask.yaml"
        self.config.write_text(yaml.safe_dump(self.settings))
        self.log = folder / "log"
        self.work = folder / "work"
        self.work.mkdir()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                unmask("run", "--config", str(self.config)), cwd=self.work, env=self.env, stdout=log, stderr=log
            )

    def secret_file(self, name: str, text: str) -> str:
        """The path of a file that holds a secret, outside of what is searched."""
        file = self.folder / "secret" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return str(file)

    @property
    def page(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority.file)

    def command(self, *arguments: str, timeout: float = 60, **environment: str) -> bytes:
        """What a command of ours prints, whatever becomes of it."""
        done = subprocess.run(
            unmask(*arguments), cwd=self.work, env={**self.env, **environment},
            capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    def waits(self, *arguments: str, **environment: str) -> bytes:
        """What a service prints that Redis does not let in, until it is told to end: it waits to be let in."""
        said = self.work / "waiting"
        with said.open("wb") as out:
            process = subprocess.Popen(
                unmask(*arguments), cwd=self.work, env={**self.env, **environment}, stdout=out, stderr=out
            )
        try:
            wait_until(lambda: b"invalid username-password" in said.read_bytes(), 60, "it says why it waits")
        finally:
            end(process)
        return said.read_bytes()

    def child(self, name: str) -> int:
        """The pid of a service."""
        found = arguments(self.process.pid).items()
        return next(pid for pid, line in found if name.encode() in line.split(b"\0"))


@pytest.fixture
def system(
    tmp_path: Path, canaries: Canaries, rtsp_server: Callable[..., RtspServer], receiver: Receiver
) -> Iterator[System]:
    password = canaries.new("camera", "@")
    clip = clips.write(tmp_path / "plain.mp4", clips.plain(2))
    camera = rtsp_server(clip, auth="basic", password=password)
    receiver.answers = [(500, {})] * 1000
    (tmp_path / "valkey").mkdir()
    with valkey(tmp_path / "valkey", aof=True, password=canaries.new("redis", "@")) as (url, _):
        one = System(tmp_path, url, camera.url(login=f"alice:{quote(password)}"), canaries, receiver)
        yield one
        end(one.process, 15)


@pytest.mark.timeout(240)
def test_no_secret_leaves_the_settings(system: System, canaries: Canaries, receiver: Receiver) -> None:
    places: dict[str, bytes] = {}

    def log() -> str:
        return system.log.read_text()

    wait_until(lambda: "watching" in log() or system.process.poll() is not None, 90, "everything is ready")
    assert system.process.poll() is None, log()
    bearer = {"authorization": f"Bearer {system.token}"}
    with httpx.Client(base_url=system.page, verify=system.trust(), headers=bearer, timeout=30) as client:

        def states() -> dict[str, str]:
            views = client.get("/api/v1/cameras").json()["cameras"]
            return {view["name"]: view["state"] for view in views}

        wait_until(lambda: states().get("right") == "live", 60, "the right password opens the camera")
        wait_until(lambda: states()["wrong"] == "unauthorised", 60, "the wrong one does not")
        wait_until(lambda: states()["pushed"] == "waiting", 60, "nobody pushes")
        wait_until(lambda: len(receiver.taken) >= 2, 60, "notifications went out")
        wait_until(lambda: "notification not delivered" in log() and "MQTT broker lost" in log(), 60, "and failed")

        before = system.child("streamer")
        limit = Path(f"/proc/{before}/limits").read_text()
        assert re.search(r"Max core file size +[01] ", limit), "a crash would write a core file"
        os.kill(before, signal.SIGABRT)
        wait_until(lambda: "restarting a service that died" in log(), 60, "the supervisor noticed")
        wait_until(lambda: states().get("right") == "live", 60, "the camera is back")

        places |= answers(client)
        places |= subscription(system)
        places |= signing_in(system, canaries)
        with httpx.Client(base_url=system.page, verify=system.trust(), timeout=30) as stranger:
            for header in ({}, {"authorization": f"Bearer {system.token}x"}):
                places[f"refusal {bool(header)}"] = stranger.get("/api/v1/cameras", headers=header).content

    places |= {f"arguments of {pid}": line for pid, line in arguments(system.process.pid).items()}
    with redis.Redis.from_url(system.redis_url) as bus:
        places |= stored(bus)
        assert any("alerts" in name for name in places), "no alert was stored"
    places |= commands(system, canaries)
    assert end_of(system) == 0
    places |= written(system.work, system.folder / "state", system.folder / "valkey")
    places.pop(f"file {system.folder / 'valkey' / 'valkey.conf'}")  # where the test itself put it
    places["log"] = system.log.read_bytes()
    assert len(places) > 60
    assert all(name in log() for name in ("camera lost", "notification not delivered"))
    assert not canaries.found(places), "\n".join(canaries.found(places))


def end_of(system: System) -> int:
    """The exit code after SIGTERM."""
    system.process.terminate()
    return system.process.wait(60)


def answers(client: httpx.Client) -> dict[str, bytes]:
    """What every address answers with a GET."""
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    found = {"/": b"", "/metrics": b"", "/healthz": b"", "/readyz": b"", "/ws/v1": b""}
    for path, methods in paths.items():
        if "get" in methods:
            for name in ("right", "wrong", "unreachable", "none"):
                found[re.sub(r"\{[^}]*\}", name, path)] = b""
    for alert in client.get("/api/v1/alerts").json()["alerts"]:
        found[f"/api/v1/alerts/{alert.get('alert', alert)['id']}"] = b""
    found |= {f"/static/{file.name}": b"" for file in (ROOT / "dashboard" / "static").iterdir()}
    for path in found:
        answer = client.get(path)
        found[path] = answer.content + str(answer.headers.multi_items()).encode()
    return {f"GET {path}": body for path, body in found.items()}


def signing_in(system: System, canaries: Canaries) -> dict[str, bytes]:
    """What a browser is told that signs in, first with a wrong password; its cookie is a secret from then on."""
    with httpx.Client(base_url=system.page, verify=system.trust(), headers={"origin": system.page}) as browser:
        wrong = {"name": "otto", "password": canaries.new("wrong user's password")}
        refused = browser.post("/api/v1/login", json=wrong)
        let_in = browser.post("/api/v1/login", json={"name": "otto", "password": system.password})
        assert (refused.status_code, let_in.status_code) == (401, 200)
        canaries.add("cookie", next(iter(browser.cookies.values())))
        me = browser.get("/api/v1/me")
        assert me.json()["name"] == "otto"
    return {"sign-in refused": refused.content, "sign-in": let_in.content, "who one is": me.content}


def subscription(system: System) -> dict[str, bytes]:
    """The first messages of a subscriber to everything, and what one with a wrong token is told."""
    messages = []
    with connect(f"wss{system.page[5:]}/ws/v1", ssl=system.trust()) as socket:
        socket.send(json.dumps({"type": "hello", "version": 1, "token": system.token}))
        messages.append(socket.recv(timeout=10))
        topics = ["alerts", "scores", "cameras"]
        socket.send(json.dumps({"type": "subscribe", "id": "s", "topics": topics, "since": "0"}))
        while len(messages) < 30:
            messages.append(socket.recv(timeout=15))
    with connect(f"wss{system.page[5:]}/ws/v1", ssl=system.trust()) as socket:
        socket.send(json.dumps({"type": "hello", "version": 1, "token": system.token + "x"}))
        messages.append(socket.recv(timeout=10))
    return {f"message {number}": str(text).encode() for number, text in enumerate(messages)}


def commands(system: System, canaries: Canaries) -> dict[str, bytes]:
    """What commands say: of this system, of a wrong token and Redis password, of files that are wrong."""
    config = ("--config", str(system.config))
    wrong = canaries.new("wrong-token")
    redis_away = re.sub(r":[^:@]*@", f":{canaries.new('redis-wrong')}@", system.redis_url)
    address = f"wss{system.page[5:]}/ws/v1"
    watch = ("watch", "--ca", str(system.authority.file), address)
    with ThreadPoolExecutor(1) as pool:
        doctor = pool.submit(system.command, "doctor", *config)  # beside the others, since it takes its time
        said = {
            "check": system.command("check", "--timeout", "3", *config, COLUMNS="300"),
            "notify-test": system.command("notify-test", *config),
            "watch": system.command(*watch, UNMASK_DASHBOARD__TOKEN=wrong, UNMASK_DASHBOARD__TOKEN_FILE=""),
            "worker": system.waits("worker", *config, REDIS_URL=redis_away, REDIS_URL_FILE=""),
        }
        said["doctor"] = doctor.result()
    assert b"refuses the token" in said["watch"]
    assert said["doctor"].count(b"\n") > 5
    files = list(bad_files(system, canaries))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UNMASK_", "REDIS_"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN_EACH, *files],
        cwd=system.work,
        env=clean,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert len(done.stderr.splitlines()) == len(files), done.stderr.decode()
    said["bad files"] = done.stdout + done.stderr
    assert b"Traceback" not in b"".join(said.values())
    return said


def bad_files(system: System, canaries: Canaries) -> Iterator[str]:
    """Settings that are refused, each with a secret in the wrong place."""
    secret = canaries.new("yaml")
    url = f"rtsp://admin:{secret}@h/x"
    for number, text in enumerate(
        (
            f"dashboard: {{token: *{secret}}}",
            f"dashboard: {{token: !{secret} x}}",
            f"dashboard: {{token: &{secret} x, public_url: &{secret} *x",
            f"dashboard: {{token: '{secret}",
            f"dashboard: {{token: [{secret}]}}",
            f"dashboard: {{port: {secret}}}",
            f"dashboard: {secret}",
            f"cameras: {{a: '{url}'}}",
            f"cameras: {{'{url}': {{url: x}}}}",
            f"cameras: {{a: {{url: 'nonsense://admin:{secret}@h/x'}}}}",
            f"cameras: {{a: {{'{url}': x}}}}",
            f"notify: {{apprise: {{a: {{url: 'nonsense://{secret}/{secret}'}}}}}}",
            f"notify: {{webhooks: {{a: {{url: 'ftp://u:{secret}@h', secret: {secret}}}}}}}",
            f"notify: {{mqtt: {{url: 'mqtt://u:{secret}@h:port'}}}}",
            f"redis: {{url: 'http://:{secret}@h'}}",
            f"redis: {{url: 'redis://:{secret}@h', ca: x}}",
        )
    ):
        file = system.config.with_name(f"bad{number}.yaml")
        file.write_text(text + "\n" + ("" if "cameras" in text else "cameras: {a: {url: x.mp4}}\n"))
        yield str(file)


def test_the_search_finds_what_is_there(canaries: Canaries) -> None:
    """A search that finds nothing must be one that could."""
    secret = canaries.new("one", "@")
    for what, form in forms(secret):
        assert any(what in line for line in canaries.found({"log": b"before " + form + b" after"})), what
    for user in ("a", "al", "ali"):  # a Basic Authorization header: the password stands anywhere in it
        header = httpx.BasicAuth(user, secret)._auth_header.encode()
        assert canaries.found({"header": header})
    assert not canaries.found({"log": b"nothing"})
    assert shutil.which("true")
