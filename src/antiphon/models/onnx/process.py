"""`ModelProcess`: the server's side of the one process that runs a local model: started at need, watched, started again.

One request at a time; questions go before documents. A process that dies, hangs or takes too much memory is ended, and the request is
given to a new one once more; a second death is the request's failure. Cancelling a caller leaves the request to end by itself.
Used by local.py. Tests: tests/integration/test_local_models.py.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from typing import Final

import msgspec

from antiphon.core.errors import AntiphonError, BadRequest, Internal, ModelError, ModelUnavailable, Timeout, TooLarge, Unsupported
from antiphon.core.runtime import Runtime
from antiphon.models.onnx.wire import MOST_FRAME_BYTES, Failed, Open, Opened, Reply, Request, Scored, Vectorised

_LENGTH: Final = struct.Struct("<I")
_ENCODER: Final = msgspec.msgpack.Encoder()
_REPLIES: Final = msgspec.msgpack.Decoder(Reply)
_TRIES: Final = 2
_ERRORS: Final[dict[str, type[AntiphonError]]] = {
    kind.code: kind for kind in (BadRequest, Unsupported, TooLarge, ModelError, Internal)
}  # fmt: skip


class _Died(Exception):
    """The process ended, or was ended, before it answered."""


class ModelProcess:
    def __init__(self, order: Open, runtime: Runtime, *, timeout_s: float = 60.0, open_timeout_s: float = 120.0) -> None:
        self._order = order
        self._runtime = runtime
        self._timeout_s = timeout_s
        self._open_timeout_s = open_timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._opened: Opened | None = None
        self._turn = asyncio.Condition()
        self._busy = False
        self._urgent = 0
        self._closed = False
        self.starts = 0

    @property
    def pid(self) -> int | None:
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def open(self) -> Opened:
        """What the model is. Raises what `ask` raises."""
        await self._take_turn(urgent=True)
        try:
            return await self._running()
        except _Died as died:
            raise ModelUnavailable(f"The process of the local model ended while it was loaded: {died}") from None
        finally:
            await self._give_turn()

    async def ask(self, request: Request, *, urgent: bool = False) -> Vectorised | Scored:
        """Raises ModelUnavailable, ModelError, Timeout, TooLarge, BadRequest, Unsupported."""
        task = self._runtime_task(request, urgent=urgent)
        return await asyncio.shield(task)

    async def close(self) -> None:
        self._closed = True
        await self._end()

    def _runtime_task(self, request: Request, *, urgent: bool) -> asyncio.Task[Vectorised | Scored]:
        task = asyncio.create_task(self._asked(request, urgent=urgent), name="local-model")
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # a caller that left reads no error
        return task

    async def _asked(self, request: Request, *, urgent: bool) -> Vectorised | Scored:
        await self._take_turn(urgent=urgent)
        why = ""
        try:
            for _ in range(_TRIES):
                try:
                    await self._running()
                    reply = await self._exchange(request, self._timeout_s)
                except _Died as died:
                    why = str(died)
                    continue
                if isinstance(reply, Vectorised | Scored):
                    if reply.rss_bytes > self._order.memory_bytes:
                        await self._end()  # it answered, and it leaks: the next request gets a new one
                    return reply
                raise Internal("The process of the local model gave an answer of another kind.")
            raise ModelUnavailable(f"The process of the local model ended {_TRIES} times on the same text: {why}")
        finally:
            await self._give_turn()

    async def _take_turn(self, *, urgent: bool) -> None:
        async with self._turn:
            self._urgent += urgent
            try:
                await self._turn.wait_for(lambda: not self._busy and (urgent or not self._urgent))
            finally:
                self._urgent -= urgent
            self._busy = True

    async def _give_turn(self) -> None:
        async with self._turn:
            self._busy = False
            self._turn.notify_all()

    async def _running(self) -> Opened:
        if self._closed:
            raise ModelUnavailable("The server is stopping.")
        if self._opened is not None and self.pid is not None:
            return self._opened
        await self._end()
        self.starts += 1
        # nothing of the server's environment: keys have no business there
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "antiphon.models.onnx.worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env=environment, cwd="/", start_new_session=True,
        )  # fmt: skip
        reply = await self._exchange(self._order, self._open_timeout_s)
        if not isinstance(reply, Opened):
            raise Internal("The process of the local model gave an answer of another kind.")
        self._opened = reply
        return reply

    async def _exchange(self, request: Request, timeout_s: float) -> Reply:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        body = _ENCODER.encode(request)
        try:
            async with asyncio.timeout(timeout_s):
                process.stdin.write(_LENGTH.pack(len(body)) + body)
                await process.stdin.drain()
                (length,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
                if length > MOST_FRAME_BYTES:
                    raise _Died("it sent what is no answer")
                reply = _REPLIES.decode(await process.stdout.readexactly(length))
        except TimeoutError:
            await self._end()
            raise Timeout(f"The local model took longer than {timeout_s:g} s and was ended.") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._end()
            raise _Died("it crashed, or was killed (memory?).") from None
        except BaseException:  # a task that was ended half-way leaves a pipe nobody can follow
            await self._end()
            raise
        if isinstance(reply, Failed):
            raise _ERRORS.get(reply.code, ModelError)(reply.message)
        return reply

    async def _end(self) -> None:
        process, self._process, self._opened = self._process, None, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
