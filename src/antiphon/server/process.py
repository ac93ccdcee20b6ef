"""`serve`: the server process from settings to exit code; `local_server`: the same house for one command of the CLI.

One line on stdout once GET /healthz answers; everything else goes to stderr. SIGTERM and SIGINT end it cleanly within 10 s.
Tests: tests/integration/live/test_process.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import uvicorn
import uvloop

from antiphon import __version__
from antiphon.config.settings import Settings
from antiphon.core.errors import Conflict
from antiphon.server.composition import House
from antiphon.server.http_protocol import http_protocol
from antiphon.server.logging import configure_logging
from antiphon.storage.lock import ServerInfo
from antiphon.transports.uvicorn_websocket import WireWebSocketProtocol

RUN_GRACE_S = 4.0
"""How long running answers may go on after SIGTERM before they are sealed as interrupted."""
EXIT_AFTER_S = 9.0
SWITCH_INTERVAL_S = 0.0005
"""Python's own is 5 ms: what a token may wait for a reader thread that computes."""
PING_S, PING_TIMEOUT_S = 25.0, 20.0


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: it would raise the signal again at the end, and the exit code with it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def serve(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT; the exit code."""
    configure_logging(settings.log.level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _running(settings, grace_s=RUN_GRACE_S) as (house, url):
        _tune_interpreter()
        owner = await house.accounts.owner_identity()
        if not settings.no_auth:
            link = f"{url}/sign-in#{house.sign_in_links.issue(owner.user_id)}"
            sys.stderr.write(f"Sign in as the owner with this link (it works once): {link}\n")
            sys.stderr.flush()
        sys.stdout.write(f"antiphon ready {url}\n")
        sys.stdout.flush()
        await stop.wait()
        watchdog = loop.call_later(EXIT_AFTER_S, os._exit, 1)
    watchdog.cancel()
    return 0


@asynccontextmanager
async def local_server(settings: Settings) -> AsyncGenerator[tuple[str, str]]:
    """(url, owner token) of a server of this very process on a free port of the loopback, for one command.

    Raises FolderInUse when another process owns the folder."""
    local = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    async with _running(local, grace_s=0.0) as (house, url):
        yield url, house.accounts.local_token


@asynccontextmanager
async def _running(settings: Settings, *, grace_s: float) -> AsyncGenerator[tuple[House, str]]:
    house = await House.open(settings)
    try:
        listener = _listen(settings.host, settings.port)
        port = int(listener.getsockname()[1])
        house.bound_to(settings.host, port)
        url = f"http://{_shown(settings.host)}:{port}"
        server = _Server(_config(house))
        task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]), name="uvicorn")
        while not server.started and not task.done():
            await house.runtime.scheduler.sleep(0.005)
        if task.done():
            await task
        house.stores.lock.announce(ServerInfo(pid=os.getpid(), url=url, version=__version__, token=house.accounts.local_token))
        try:
            yield house, url
        finally:
            house.hub.drain()
            await house.runs.shutdown(grace_s=grace_s)
            await house.hub.stop()
            server.should_exit = True
            await task
    finally:
        await house.close()


def _config(house: House) -> uvicorn.Config:
    return uvicorn.Config(
        house.app, http=http_protocol(), ws=WireWebSocketProtocol, ws_max_size=house.settings.limits.frame_bytes,
        ws_per_message_deflate=False, ws_ping_interval=PING_S, ws_ping_timeout=PING_TIMEOUT_S, log_config=None, access_log=False,
        lifespan="off", server_header=False, timeout_graceful_shutdown=2, backlog=2048, h11_max_incomplete_event_size=65_536,
    )  # fmt: skip


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise Conflict(
            f"The address {host}:{port} can't be listened on ({error.strerror}). Stop what uses it, or give another `--port`."
        ) from None


def _shown(host: str) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - recognised, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _tune_interpreter() -> None:
    """What lives now lives for ever: it is taken out of the collector's rounds (p99 129 -> 3.3 ms at 40 conversations).

    The loop's thread waits less for the interpreter while readers and the writer work: at 200 conversations p99 a token
    48 -> 36 ms, first text p50 190 -> 95 ms (docs/decisions/0005-token-path.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
