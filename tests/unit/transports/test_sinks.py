"""transports/sinks.py: both sinks, what they do with a peer that does not read, and how they close."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket, WebSocketState

from antiphon.storage.event_log.contract import Entry, text_frame
from antiphon.testing.simulated import SimulatedRuntime, simulated_runtime
from antiphon.testing.wire import Wire, split_frames
from antiphon.transports.sinks import QueueSink, WireSink, close_frame, close_quietly, sink_for, socket_queue


class Socket:
    """An ASGI server's end that takes a frame only when `gate` is open."""

    def __init__(self) -> None:
        self.application_state = self.client_state = WebSocketState.CONNECTED
        self.scope: dict[str, Any] = {"extensions": {}}
        self.sent: list[str] = []
        self.closed: list[tuple[int, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def send_text(self, text: str) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        if self.error is not None:
            raise self.error
        self.closed.append((code, reason))


@pytest.fixture
def runtime() -> SimulatedRuntime:
    return simulated_runtime()


@pytest.fixture
def socket() -> Socket:
    return Socket()


def queue_sink(socket: Socket, runtime: SimulatedRuntime, pending_bytes: int = 10) -> QueueSink:
    return socket_queue(cast("WebSocket", socket), runtime, pending_bytes=pending_bytes)


ENTRY = Entry("t", 1, "notice", b'{"type":"notice"}')


async def test_the_queue_sends_in_order(socket: Socket, runtime: SimulatedRuntime) -> None:
    sink = queue_sink(socket, runtime, 1000)
    sink.write([sink.of_entry(ENTRY), sink.of_frame(b"b")])
    sink.write([b"c"])
    assert sink.pending_bytes == len(ENTRY.frame) + 2
    await runtime.scheduler.settle()
    assert socket.sent == [ENTRY.frame.decode(), "b", "c"]
    assert sink.pending_bytes == 0
    await sink.close(1000, "Bye.")
    await sink.close(1001, "Again.")
    assert socket.closed == [(1000, "Bye.")]


async def test_the_queue_pauses_when_full_and_resumes_half_empty(socket: Socket, runtime: SimulatedRuntime) -> None:
    sink, resumed = queue_sink(socket, runtime), list[int]()
    sink.on_resume(lambda: resumed.append(sink.pending_bytes))
    socket.gate.clear()
    sink.write([b"xxx", b"xxx", b"xxx"])
    assert not sink.paused
    sink.write([b"x"])
    assert sink.paused
    await runtime.scheduler.settle()
    assert resumed == []
    socket.gate.set()
    await runtime.scheduler.settle()
    assert (resumed, sink.paused) == ([4], False)
    await sink.close(1000, "Bye.")


async def test_closing_does_not_wait_for_who_does_not_read(socket: Socket, runtime: SimulatedRuntime, monkeypatch) -> None:
    real_wait = asyncio.wait
    monkeypatch.setattr(asyncio, "wait", lambda tasks, timeout=None: real_wait(tasks, timeout=min(timeout or 0, 0.01)))
    sink = queue_sink(socket, runtime)
    socket.gate.clear()
    sink.write([b"x" * 20, b"y"])
    await runtime.scheduler.settle()
    await sink.close(4501, "Too slow.")
    assert socket.closed == [(4501, "Too slow.")]
    assert socket.sent == []


async def test_a_peer_that_is_gone_ends_the_queue_quietly(socket: Socket, runtime: SimulatedRuntime) -> None:
    sink = queue_sink(socket, runtime)
    socket.error = RuntimeError("Unexpected ASGI message")
    sink.write([b"x"])
    await runtime.scheduler.settle()
    await sink.close(1000, "Bye.")
    assert socket.closed == []


async def test_the_wire_gets_frames_as_they_go_over_it() -> None:
    seen: list[dict[str, Any]] = []
    wire = Wire(seen.append)
    sink = sink_for(wire.websocket, simulated_runtime(), pending_bytes=10)
    assert isinstance(sink, WireSink)
    assert (sink.of_entry(ENTRY), sink.of_frame(b"{}")) == (ENTRY.wire, text_frame(b"{}"))
    sink.write([sink.of_entry(ENTRY), sink.of_frame(b'{"a":1}')])
    sink.write([sink.of_frame(b'{"b":2}')])
    assert list(wire.unread) == seen == [{"type": "notice", "seq": 1, "topic": "t"}, {"a": 1}, {"b": 2}]
    resumed: list[int] = []
    sink.on_resume(lambda: resumed.append(1))
    wire.pause(full_bytes=7)
    assert (sink.paused, sink.pending_bytes) == (True, 7)
    wire.resume()
    assert (sink.paused, sink.pending_bytes, resumed) == (False, 0, [1])
    await sink.close(1000, "Bye.")
    await sink.close(1000, "Bye.")
    assert wire.closed


async def test_a_paused_wire_is_finished_not_waited_for() -> None:
    wire = Wire(lambda _: None)
    sink = sink_for(wire.websocket, simulated_runtime(), pending_bytes=10)
    wire.pause()
    await sink.close(4501, "Too slow.")
    assert wire.closed
    assert (await wire.websocket.receive())["type"] == "websocket.disconnect"


async def test_without_the_extension_a_queue(socket: Socket) -> None:
    sink = sink_for(cast("WebSocket", socket), simulated_runtime(), pending_bytes=10)
    assert isinstance(sink, QueueSink)
    await sink.close(1000, "")


async def test_closing_quietly_leaves_the_closed_alone(socket: Socket) -> None:
    await close_quietly(cast("WebSocket", socket), 1000, "r" * 200)
    assert socket.closed == [(1000, "r" * 120)]
    socket.client_state = WebSocketState.DISCONNECTED
    await close_quietly(cast("WebSocket", socket), 1000, "again")
    socket.client_state = WebSocketState.CONNECTED
    socket.error = RuntimeError("closed at the same moment")
    await close_quietly(cast("WebSocket", socket), 1000, "again")
    assert len(socket.closed) == 1


def test_a_close_frame_fits_a_control_frame() -> None:
    [(opcode, payload)] = split_frames(close_frame(4501, "太慢了" * 100))
    assert (opcode, int.from_bytes(payload[:2], "big")) == (8, 4501)
    assert len(payload) <= 125
    assert payload[2:].decode().startswith("太慢了")
