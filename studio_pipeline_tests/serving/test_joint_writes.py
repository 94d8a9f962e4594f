"""What is written while others are answered leaves together, in order, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from serving.joint_writes import JointWrites

pytestmark = pytest.mark.anyio


class Wire(asyncio.Transport):
    """Notes what leaves in one call."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 5)})
        self.left: list[bytes] = []
        self.told: list[str] = []

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.left.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        self.left.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return "close" in self.told or "abort" in self.told

    def close(self) -> None:
        self.told.append("close")

    def abort(self) -> None:
        self.told.append("abort")

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def wire() -> Wire:
    return Wire()


async def test_a_request_alone_in_hand_is_answered_at_once(wire: Wire) -> None:
    joint = JointWrites(wire, asyncio.get_running_loop(), {"the only one"})
    joint.write(b"head ")
    joint.write(b"body")
    assert wire.left == [b"head body"]


async def test_what_has_no_second_part_leaves_too(wire: Wire) -> None:
    joint = JointWrites(wire, asyncio.get_running_loop(), {"the only one"})
    joint.write(b"head")
    await asyncio.sleep(0)
    assert wire.left == [b"head"]


async def test_with_others_in_hand_an_answer_leaves_when_the_loop_has_done_what_was_ready(wire: Wire) -> None:
    loop, in_hand, seen = asyncio.get_running_loop(), {1, 2}, []
    other = Wire()
    both = [JointWrites(wire, loop, in_hand), JointWrites(other, loop, in_hand)]
    for joint in both:
        loop.call_soon(joint.write, b"head ")
        loop.call_soon(joint.write, b"body")
    loop.call_soon(lambda: seen.append((list(wire.left), list(other.left))))
    await asyncio.sleep(0)
    assert seen == [([], [])]
    await asyncio.sleep(0)
    assert (wire.left, other.left) == ([b"head body"], [b"head body"])


async def test_what_is_gathered_keeps_its_order_when_the_others_have_left(wire: Wire) -> None:
    in_hand = {1, 2}
    joint = JointWrites(wire, asyncio.get_running_loop(), in_hand)
    joint.write(b"first ")
    in_hand.clear()
    joint.write(b"second ")
    joint.write(b"third ")
    joint.write(b"fourth")
    assert wire.left == [b"first second ", b"third fourth"]


async def test_closing_sends_what_was_gathered_and_aborting_does_not(wire: Wire) -> None:
    joint = JointWrites(wire, asyncio.get_running_loop(), {1, 2})
    joint.write(b"last word")
    joint.close()
    assert (wire.left, wire.told) == ([b"last word"], ["close"])
    cut = Wire()
    joint = JointWrites(cut, asyncio.get_running_loop(), {1, 2})
    joint.write(b"never")
    joint.abort()
    await asyncio.sleep(0)
    assert (cut.left, cut.told) == ([], ["abort"])


async def test_nothing_is_sent_to_a_peer_that_has_gone(wire: Wire) -> None:
    joint = JointWrites(wire, asyncio.get_running_loop(), {1, 2})
    joint.write(b"too late")
    wire.close()
    await asyncio.sleep(0)
    assert wire.left == []
    assert joint.is_closing()


async def test_all_else_is_asked_of_the_connection(wire: Wire) -> None:
    joint = JointWrites(wire, asyncio.get_running_loop(), ())
    joint.pause_reading()
    joint.resume_reading()
    assert wire.told == ["pause", "resume"]
    assert joint.get_extra_info("peername") == ("127.0.0.1", 5)
    assert joint.get_extra_info("cipher", "none") == "none"
