"""`ParserPool`: reads documents in worker processes, one fork of the nursery for each task.

The server itself never opens a document. A worker that crashes, hangs, or takes too much memory costs its document an
error that says so, and nothing else. Cancelling the awaiting task kills the worker.
Tests: tests/integration/test_ingest_worker.py, test_ingest_guards.py.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, BadRequest, Internal, ShuttingDown, Timeout, TooLarge, Unsupported
from antiphon.core.runtime import Runtime
from antiphon.ingest import wire
from antiphon.ingest.chunker import ChunkRules
from antiphon.ingest.document import ChunkDraft, PageRectangles, ParsedDocument, ParsedPage, WebLinks
from antiphon.ingest.nursery import NOTICE, ORDER
from antiphon.ingest.ocr import PAGE_TIMEOUT_S
from antiphon.ingest.parsers import BUILT_IN_PARSERS, ParserSpec

OnProgress = Callable[[int, int], None]
"""(pages done, pages in all)"""

_ERRORS: Final[dict[str, type[AntiphonError]]] = {
    kind.code: kind for kind in (BadRequest, Unsupported, TooLarge, Timeout)
}  # fmt: skip
_INTERACTIVE: Final = 2
"""Rectangles and page images made at the same time, besides the documents being parsed."""
_LINKING: Final = 1
"""Pages of the web whose links are looked for at the same time."""
_INTERACTIVE_TIMEOUT_S: Final = 20.0
_RECOGNISED_PAGE_S: Final = PAGE_TIMEOUT_S + 2.0
"""A page whose text is read off a picture makes its document's time longer by this much."""
_EXTRA: Final = 3
"""Readings beside `ingest.workers`: small files and users who would wait behind others' large ones (workers.py)."""
_END_NOTICE_TIMEOUT_S: Final = 5.0
_LARGE_BYTES: Final = 2**21
_BACKSTOP_S: Final = 5.0
"""The nursery enforces the time limit; the server gives up this much later, should the nursery itself hang."""


class ParserPool:
    """`start` before the folder's lock is taken (the nursery must not hold it); everything else inside one event loop."""

    def __init__(self, settings: Settings, runtime: Runtime, specs: Sequence[ParserSpec] = BUILT_IN_PARSERS) -> None:
        self._limits = settings.ingest
        self._runtime = runtime
        self._specs = list(specs)
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None
        self._watched: asyncio.AbstractEventLoop | None = None
        self._notices = bytearray()
        self._ends: dict[int, asyncio.Future[tuple[bytes, int]]] = {}
        self._last_number = 0
        self._closed = False
        self._parsing = asyncio.Semaphore(self._limits.workers + _EXTRA)
        self._interactive = asyncio.Semaphore(_INTERACTIVE)
        self._linking = asyncio.Semaphore(_LINKING)

    @property
    def nursery_pid(self) -> int | None:
        """For `doctor` and the measuring of memory."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Starts the nursery and returns at once; it loads its parsers meanwhile. Idempotent."""
        if self._process is not None and self._process.poll() is None:
            return
        self._forget_nursery()
        mine, its = socket.socketpair()
        command = [
            sys.executable, "-P", "-m", "antiphon.ingest.nursery", str(its.fileno()), msgspec.json.encode(self._specs).decode()
        ]  # fmt: skip
        # nothing of the server's environment: keys have no business in a process that reads strangers' files
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with its:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command, pass_fds=(its.fileno(),), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                cwd="/", start_new_session=True,
            )  # fmt: skip
        mine.setblocking(False)
        self._orders = mine

    async def parse(
        self, path: Path, name: str, *, password: str | None = None, on_progress: OnProgress | None = None
    ) -> ParsedDocument:
        """The text of the file. Its type is told by its content; `name` only chooses between kinds of plain text.

        Raises Unsupported (also for a missing password: data.reason `password_required`), BadRequest (damaged),
        TooLarge (memory, or more text than is kept), Timeout."""
        pages: list[ParsedPage] = []
        characters = 0
        end: wire.Parsed | None = None
        task = wire.Parse(path=str(path), name=name, password=password)
        async with self._parsing, self._work(task, self._limits.timeout_s) as replies:
            async for reply in replies:
                if isinstance(reply, wire.Pages):
                    pages += reply.pages
                    characters += sum(len(page.text) for page in reply.pages)
                    if characters > wire.MOST_CHARACTERS:
                        raise TooLarge(f"The document holds more than {wire.MOST_CHARACTERS:,} characters: split it.")
                    if on_progress is not None:
                        on_progress(len(pages), reply.total)
                elif isinstance(reply, wire.Parsed):
                    end = reply
        if end is None:
            raise _unexpected()
        return ParsedDocument(
            media_type=end.media_type, title=end.title, paged=end.paged, pages=pages, outline=end.outline,
            furniture=end.furniture, anchors=end.anchors,
        )  # fmt: skip

    @asynccontextmanager
    async def read(
        self, files: Sequence[wire.FileToRead], rules: ChunkRules, *, timeout_s: float | None = None
    ) -> AsyncGenerator[AsyncIterator[wire.Reply]]:
        """Pages, sections and chunks of one file after the other, in one worker, each as soon as it is known; the order of
        replies is wire.Read's. The worker waits for its reader. Iterating raises what ends the worker itself: Timeout,
        TooLarge (memory), BadRequest (a crash), ShuttingDown; the file that was being read is to blame."""
        task = wire.Read(files=list(files), rules=rules)
        limit_s = self._limits.timeout_s if timeout_s is None else min(timeout_s, self._limits.timeout_s)
        async with self._parsing, self._work(task, limit_s) as replies:
            yield replies

    @asynccontextmanager
    async def chunks(
        self, document: ParsedDocument, rules: ChunkRules, *, title: str, skip: int = 0
    ) -> AsyncGenerator[AsyncIterator[list[ChunkDraft]]]:
        """The chunks with their tokens, in batches, those before ordinal `skip` left out. The worker waits for its reader."""
        task = wire.Cut(document=document, rules=rules, title=title, skip=skip)
        async with self._parsing, self._work(task, self._limits.timeout_s) as replies:
            yield (reply.chunks async for reply in replies if isinstance(reply, wire.Chunks))

    async def rectangles(self, path: Path, page: int, start: int, end: int, *, password: str | None = None) -> PageRectangles:
        """Where the characters [start, end) of a page's stored text stand. Raises as `parse`, BadRequest for a wrong place."""
        task = wire.Locate(path=str(path), page=page, start=start, end=end, password=password)
        async with self._interactive, self._work(task, _INTERACTIVE_TIMEOUT_S) as replies:
            async for reply in replies:
                if isinstance(reply, wire.Located):
                    return reply.rectangles
        raise _unexpected()

    async def page_image(self, path: Path, page: int, width_px: int, *, password: str | None = None) -> bytes:
        """A PNG of the page. Raises as `rectangles`."""
        task = wire.Draw(path=str(path), page=page, width_px=width_px, password=password)
        async with self._interactive, self._work(task, _INTERACTIVE_TIMEOUT_S) as replies:
            async for reply in replies:
                if isinstance(reply, wire.Drawn):
                    return reply.png
        raise _unexpected()

    async def links(self, path: Path, name: str, *, sitemap: bool = False) -> WebLinks:
        """What a page of the web points to; nothing for a file that is no HTML. `sitemap`: what a sitemap lists, packed or not.
        Raises as `parse`."""
        task = wire.FindLinks(path=str(path), name=name, sitemap=sitemap)
        async with self._linking, self._work(task, _INTERACTIVE_TIMEOUT_S) as replies:
            async for reply in replies:
                if isinstance(reply, wire.LinksFound):
                    return reply.links
        raise _unexpected()

    async def close(self) -> None:
        """Kills all workers. Idempotent."""
        self._closed = True
        process = self._process
        self._forget_nursery()
        if process is not None:
            try:
                await asyncio.to_thread(process.wait, _END_NOTICE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await asyncio.to_thread(process.wait)
        self._process = None

    # --- one task -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _work(self, task: wire.Task, timeout_s: float) -> AsyncGenerator[AsyncIterator[wire.Reply]]:
        """Forks a worker, sends the task, gives its replies; kills it when the block is left early."""
        number, connection = self._fork(timeout_s)
        end = self._ends[number]
        try:
            async with asyncio.timeout(timeout_s + _BACKSTOP_S) as limit:

                def extend(seconds: float) -> None:
                    when = limit.when()
                    if when is not None:
                        limit.reschedule(when + seconds)
                        self._order(b"E", number, seconds)

                yield self._replies(task, connection, end, timeout_s, extend)
        except TimeoutError as error:
            raise _too_slow(timeout_s) from error
        finally:
            connection.close()
            self._ends.pop(number, None)
            if not end.done():
                self._order(b"K", number)
                end.cancel()

    async def _replies(
        self,
        task: wire.Task,
        connection: socket.socket,
        end: asyncio.Future[tuple[bytes, int]],
        timeout_s: float,
        extend: Callable[[float], None],
    ) -> AsyncIterator[wire.Reply]:
        loop = asyncio.get_running_loop()
        try:
            # a whole book, as JSON-like bytes, takes 50 ms: not in the loop's thread
            message = await asyncio.to_thread(wire.encode, task) if isinstance(task, wire.Cut) else wire.encode(task)
            await loop.sock_sendall(connection, message)
            while True:
                prefix = await _receive(connection, wire.LENGTH_BYTES)
                body = await _receive(connection, wire.frame_length(prefix))
                reply = wire.decode_reply(body) if len(body) < _LARGE_BYTES else await asyncio.to_thread(wire.decode_reply, body)
                if isinstance(reply, wire.Failed):
                    raise error_of(reply)
                if isinstance(reply, wire.Done):
                    return
                if isinstance(reply, wire.Pages) and (attempted := sum(page.attempted for page in reply.pages)):
                    extend(attempted * _RECOGNISED_PAGE_S)
                yield reply
        except (EOFError, ConnectionError) as error:
            raise await self._why_it_ended(end, timeout_s) from error
        except msgspec.MsgspecError as error:
            raise _unexpected() from error

    async def _why_it_ended(self, end: asyncio.Future[tuple[bytes, int]], timeout_s: float) -> AntiphonError:
        if self._closed:
            return ShuttingDown("The server is stopping; the document is read again at the next start.")
        try:
            reason, status = await asyncio.wait_for(asyncio.shield(end), _END_NOTICE_TIMEOUT_S)
        except TimeoutError:
            return _unexpected()
        if reason == b"T" or status == -signal.SIGXCPU:
            return _too_slow(timeout_s)
        if reason == b"M":
            limit_mib = self._limits.memory_bytes // 2**20
            return TooLarge(f"Reading the document took more than {limit_mib} MiB of memory and was ended: split it.")
        return BadRequest(
            "Reading the document ended with a crash: the file is probably damaged.", data={"reason": "crashed", "status": status}
        )

    # --- the nursery --------------------------------------------------------------------------------------------------

    def _fork(self, timeout_s: float) -> tuple[int, socket.socket]:
        if self._closed:
            raise ShuttingDown("The server is stopping; the document is read again at the next start.")
        self.start()
        self._watch_notices()
        self._last_number += 1
        number = self._last_number
        self._ends[number] = asyncio.get_running_loop().create_future()
        mine, its = socket.socketpair()
        mine.setblocking(False)
        order = ORDER.pack(b"F", number, self._limits.memory_bytes, timeout_s)
        assert self._orders is not None
        try:
            with its:
                socket.send_fds(self._orders, [order], [its.fileno()])
        except OSError as error:
            mine.close()
            del self._ends[number]
            self._kill_nursery()
            raise Internal("The process that reads documents does not answer; it is started again.") from error
        return number, mine

    def _order(self, kind: bytes, number: int, time_s: float = 0.0) -> None:
        if self._orders is not None:
            with suppress(OSError):  # a dead nursery has no children left
                self._orders.send(ORDER.pack(kind, number, 0, time_s))

    def _watch_notices(self) -> None:
        loop = asyncio.get_running_loop()
        if self._orders is not None and self._watched is not loop:
            loop.add_reader(self._orders.fileno(), self._read_notices)
            self._watched = loop

    def _read_notices(self) -> None:
        assert self._orders is not None
        try:
            received = self._orders.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            received = b""
        if not received:
            self._kill_nursery()
            return
        self._notices += received
        while len(self._notices) >= NOTICE.size:
            reason, number, status = NOTICE.unpack(self._notices[: NOTICE.size])
            del self._notices[: NOTICE.size]
            end = self._ends.get(number)
            if end is not None and not end.done():
                end.set_result((reason, status))

    def _kill_nursery(self) -> None:
        """It broke: its children die with it, and the next task starts another one."""
        process = self._process
        self._forget_nursery()
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        for end in self._ends.values():
            if not end.done():
                end.set_result((b"-", -signal.SIGKILL))

    def _forget_nursery(self) -> None:
        """Closing the order socket is what tells the nursery to end."""
        if self._orders is not None:
            if self._watched is not None and not self._watched.is_closed():
                self._watched.remove_reader(self._orders.fileno())
            self._orders.close()
        self._orders = None
        self._watched = None
        self._notices.clear()


def error_of(reply: wire.Failed | wire.Unreadable) -> AntiphonError:
    """What a worker said went wrong, as an error of ours."""
    return _ERRORS.get(reply.code, BadRequest)(reply.message, data=reply.data)


async def _receive(connection: socket.socket, size_bytes: int) -> bytearray:
    loop = asyncio.get_running_loop()
    received = bytearray(size_bytes)
    view = memoryview(received)
    filled = 0
    while filled < size_bytes:
        count = await loop.sock_recv_into(connection, view[filled:])
        if not count:
            raise EOFError
        filled += count
    return received


def _too_slow(timeout_s: float) -> Timeout:
    return Timeout(f"Reading the document took longer than {timeout_s:g} s and was ended: split it, or raise the limit.")


def _unexpected() -> BadRequest:
    return BadRequest("Reading the document gave nothing that can be used: the file is probably damaged.")
