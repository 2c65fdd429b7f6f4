"""Probes by UDP on loopback, by multicast and to addresses."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import pytest

from tests.support.onvif import GROUP, OnvifCamera, serving, soap
from unmask.discover.probing import MAX_OF_ONE, Answer, answers, interfaces, search

SOON = 0.3  # that nobody answers in
WAIT = 0.8  # that somebody does


def test_who_is_in_the_network_answers_a_multicast() -> None:
    with serving(OnvifCamera(), multicast=True) as camera:
        found = asyncio.run(search(WAIT, sources=["127.0.0.1"], group=(GROUP, camera.udp_port)))
    assert found == [Answer("127.0.0.1", camera.service, "Front door", "FD-7")]
    assert len(camera.probed) > 2, "asked more than once, found once"


def test_an_interface_that_is_gone_does_not_keep_the_others_from_asking() -> None:
    with serving(OnvifCamera(), multicast=True) as camera:
        found = asyncio.run(search(WAIT, sources=["192.0.2.250", "127.0.0.1"], group=(GROUP, camera.udp_port)))
    assert [one.address for one in found] == ["127.0.0.1"]
    with pytest.raises(OSError, match="interface"):
        asyncio.run(search(SOON, sources=["192.0.2.250"]))


def test_named_addresses_are_asked_alone_and_not_waited_for_longer_than_they_take() -> None:
    with ExitStack() as stack:
        cameras = [stack.enter_context(serving(OnvifCamera(f"127.0.0.{number}"))) for number in (3, 2)]
        hosts = [(one.host, one.udp_port) for one in cameras]
        found = asyncio.run(asyncio.wait_for(search(60, hosts), 30))
    assert [one.address for one in found] == ["127.0.0.2", "127.0.0.3"]


@pytest.mark.parametrize("types", ["dn:NetworkVideoTransmitter", "tds:Device"])
def test_a_camera_of_either_type_is_found(types: str) -> None:
    with serving(OnvifCamera(types=types)) as camera:
        assert asyncio.run(search(5, [(camera.host, camera.udp_port)]))


def test_nobody() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        assert asyncio.run(search(SOON, [mute.getsockname()])) == []


def test_an_answer_that_sends_us_elsewhere_names_no_service() -> None:
    with serving(OnvifCamera(xaddrs="http://127.0.0.9/onvif/device_service file:///etc http://[/ x")) as camera:
        found = asyncio.run(search(5, [(camera.host, camera.udp_port)]))
    assert found == [Answer("127.0.0.1", "", "Front door", "FD-7")]


def test_of_several_addresses_its_own_is_taken() -> None:
    with serving(OnvifCamera()) as camera:
        camera.xaddrs = f"http://192.168.1.64/onvif/device_service {camera.service} https://[fe80::1]/onvif/x"
        [found] = asyncio.run(search(5, [(camera.host, camera.udp_port)]))
    assert found.service == camera.service


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 900, b"<a>" * 9000, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", soap("")]
)
def test_what_is_no_answer_is_passed_over(data: bytes) -> None:
    assert answers(data, "127.0.0.1") == []


def test_a_flood_is_bounded() -> None:
    match = "<d:ProbeMatch><d:XAddrs>http://127.0.0.1/{}</d:XAddrs></d:ProbeMatch>"
    many = soap("".join(match.format(number) for number in range(700)))
    with serving(OnvifCamera(matches=many)) as camera:
        found = asyncio.run(search(5, [(camera.host, camera.udp_port)]))
    assert len(found) == MAX_OF_ONE


def test_the_interfaces_are_this_machines() -> None:
    for address in interfaces():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind((address, 0))  # refused for an address of another
        assert not address.startswith("127.")
