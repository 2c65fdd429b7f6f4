from __future__ import annotations

from streamer.catchup import CatchUp, Do


def test_what_has_piled_up_is_left_to_the_next_key_frame() -> None:
    catch_up = CatchUp()
    catch_up.frame(2.9, False, 90)
    assert catch_up.packet(False, 0.0) is Do.DECODE
    catch_up.frame(3.1, False, 100)
    assert catch_up.leaving_since == 100
    # Key frames among what has piled up are old as well.
    assert [catch_up.packet(index % 25 == 0, 0.001) for index in range(60)] == [Do.LEAVE] * 60
    assert [catch_up.packet(False, 0.04) for _ in range(10)] == [Do.LEAVE] * 10
    assert catch_up.packet(True, 0.04) is Do.RESUME
    assert catch_up.leaving_since is None
    assert catch_up.packet(False, 0.04) is Do.DECODE


def test_a_camera_that_is_late_by_itself_is_not_left() -> None:
    catch_up = CatchUp()
    catch_up.frame(4.0, True, 0)
    assert catch_up.packet(False, 0.04) is Do.DECODE


def test_without_key_frames_it_is_stuck() -> None:
    catch_up = CatchUp()
    assert not catch_up.stuck(100)
    catch_up.frame(3.1, False, 100)
    assert not catch_up.stuck(109)
    assert catch_up.stuck(111)
