from __future__ import annotations

import threading

import pytest

from streamer.nets import MOST_PX, Nets


class Net:
    """One network; counts those that were made."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1


@pytest.fixture(autouse=True)
def _none_made() -> None:
    Net.made = 0


def test_the_same_size_gets_the_same_network() -> None:
    nets = Nets(Net, 2)
    with nets.take((640, 360)) as whole, nets.take((192, 192)) as part:
        assert whole is not part
    for size, net in (((640, 360), whole), ((192, 192), part)):
        with nets.take(size) as again:
            assert again is net
    assert Net.made == 2


def test_no_more_are_kept_than_so_many_pixels_and_the_oldest_change_their_size() -> None:
    nets, quarter = Nets(Net, 1), (MOST_PX // 400, 100)
    for more in range(20):
        with nets.take((quarter[0] - more, 100)):
            pass
    assert Net.made == 4
    with nets.take((MOST_PX // 100, 100)):  # for which all four make room, and one of them becomes it
        pass
    with nets.take(quarter):
        pass
    assert Net.made == 4


def test_small_ones_do_not_drive_a_large_one_out() -> None:
    nets: Nets[Net] = Nets(Net, 1)
    with nets.take((640, 384)) as whole:
        pass
    for side in range(128, 288, 32):
        with nets.take((side, side)):
            pass
    with nets.take((640, 384)) as again:
        assert again is whole


def test_many_threads_use_as_many_as_may_run_at_once() -> None:
    nets, lock, together, most = Nets(Net, 2), threading.Lock(), 0, 0
    barrier = threading.Barrier(8)

    def work() -> None:
        nonlocal together, most
        barrier.wait()
        for _ in range(50):
            with nets.take((640, 360)):
                with lock:
                    together += 1
                    most = max(most, together)
                with lock:
                    together -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 2
    assert Net.made <= 3


def test_a_failure_gives_the_turn_back() -> None:
    nets = Nets(Net, 1)
    for _ in range(3):
        with pytest.raises(RuntimeError), nets.take((1, 1)):
            raise RuntimeError
    with nets.take((1, 1)):
        pass


def test_what_can_not_be_made_is_told_at_once() -> None:
    def fail() -> Net:
        raise OSError("no such file")

    with pytest.raises(OSError, match="no such file"):
        Nets(fail)
