"""What `unmask discover` does: finds, asks, prints."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from getpass import getpass
from urllib.parse import unquote

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unmask.discover.camera import Camera, as_object, as_yaml
from wire import environment
from wire.errors import ServiceError, UsageError
from wire.redact import redact, remember

try:
    from unmask.discover.asking import Login, ask_all
    from unmask.discover.probing import GROUP, Host, interfaces, search
except ImportError:
    raise ServiceError("the ONVIF library is not installed", "pip install 'unmask[discover]'") from None

NOBODY = (
    "no camera answered within {:g} s: they answer in their own subnet only, ONVIF may be off in them, a firewall may "
    "hold back multicast or UDP port 3702, and a container has a network of its own, unless run with --network host; "
    "a camera whose address is known can be asked itself: unmask discover ADDRESS"
)
SILENT = "nothing at {} answered within {:g} s: is ONVIF on there, and does a firewall let UDP port 3702 through?"


def run(addresses: Sequence[str], wait_s: float, wants_login: bool, as_json: bool, yaml: bool) -> int:
    """Print the cameras found; 1 when there was none. Raises UsageError, ServiceError."""
    if as_json and yaml:
        raise UsageError("--json and --yaml at once", "choose one of them")
    hosts = [_host(address) for address in addresses]
    login = _login() if wants_login else None
    console = Console(stderr=as_json or yaml)
    with console.status(f"asking {', '.join(addresses) or 'the local network'} for {wait_s:g} s"):
        cameras = asyncio.run(_found(hosts, wait_s, login))
    if as_json:
        typer.echo(json.dumps(as_object(cameras)))
    elif yaml:
        typer.echo(as_yaml(cameras), nl=False)
    elif cameras:
        show(console, cameras)
    if not cameras:
        words = SILENT.format(", ".join(addresses), wait_s) if addresses else NOBODY.format(wait_s)
        typer.echo(words, err=True)
    return 0 if cameras else 1


async def _found(hosts: Sequence[Host], wait_s: float, login: Login | None) -> list[Camera]:
    try:
        answered = await search(wait_s, hosts, [] if hosts else interfaces())
    except OSError as error:
        raise ServiceError(
            f"the network can't be asked ({error.strerror or error})", "connect this machine to the cameras' network"
        ) from None
    return await ask_all(answered, login, wait_s)


def show(console: Console, cameras: Iterable[Camera]) -> None:
    """Print the table."""
    table = Table("name", "address", "model", title="unmask discover", title_justify="left")
    table.add_column("streams", overflow="fold")
    for camera in cameras:
        told = [f"{stream}  {stream.url}" for stream in camera.streams] + [camera.problem] * bool(camera.problem)
        cells = (camera.name, camera.address, camera.model, "\n".join(told))
        table.add_row(*(escape(redact(cell)) for cell in cells))
    console.print(table)


def _host(text: str) -> Host:
    """ADDRESS or ADDRESS:PORT. Raises UsageError."""
    name, _, typed = text.partition(":")
    try:
        port = int(typed or GROUP[1])
        if not 0 < port < 65_536:
            raise ValueError(port)
        return str(socket.getaddrinfo(name, port, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0]), port
    except (ValueError, OSError):
        remedy = "give an IPv4 address or a host's name, and :PORT if need be"
        raise UsageError(f"{text!r} is no address", remedy) from None


def _login() -> Login:
    """CAMERA_USER and CAMERA_PASSWORD, written as in a url, or their files; what is not set is asked for."""
    try:
        user, password = (environment.value(f"CAMERA_{what}", os.environ) for what in ("USER", "PASSWORD"))
    except ValueError as error:
        raise UsageError(str(error), "correct the variable, or its file") from None
    if not (user and password) and not sys.stdin.isatty():
        raise UsageError("--login without CAMERA_USER and CAMERA_PASSWORD", "set both, or type them at a terminal")
    user = unquote(user) if user else typer.prompt("User", err=True)
    password = unquote(password) if password else getpass("Password: ")
    remember(password)
    return Login(user, password)
