"""`open_core`: the live core in process, with a client's side of it that reads everything at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.errors import AntiphonError
from antiphon.storage.records.rows import MESSAGES, RUNS, MessageRow, RunRow
from antiphon.testing.live_core import EVERYTHING, SESSION_IDS, LiveCore, copy_template, make_template
from antiphon.testing.wire import WatchingClient

SESSION, OTHER_SESSION = SESSION_IDS
TOPIC = f"session:{SESSION}"


class Talk:
    """A core and the shortest words for what a test does with it."""

    def __init__(self, core: LiveCore) -> None:
        self.core = core
        self._number = 0

    async def client(self, name: str = "a", *topics: str) -> WatchingClient:
        client = WatchingClient(name)
        client.attach(self.core.connect())
        await self.core.settle()
        for topic in topics or (TOPIC,):
            await self.follow(client, topic)
        return client

    async def back(self, client: WatchingClient) -> None:
        client.lose()
        client.attach(self.core.connect())
        await self.core.settle()
        for topic in list(client.states):
            await self.follow(client, topic)

    async def follow(self, client: WatchingClient, topic: str) -> None:
        self._number += 1
        client.subscribe(topic, number=self._number)
        await self.core.settle()
        client.read()

    async def send(self, client: WatchingClient, verb: str, **fields: Any) -> str:
        """The command's id; its ack may not be there yet."""
        self._number += 1
        command_id = fields.pop("id", f"command-{self._number}")
        client.send({"type": verb, "id": command_id, **fields})
        await self.core.settle()
        client.read()
        return command_id

    async def ask(self, client: WatchingClient, content: str = "Vacation?", **fields: Any) -> dict[str, Any]:
        """The ack."""
        command_id = await self.send(client, "chat_message", content=content, **{"session_id": SESSION, **fields})
        return client.acks[command_id]

    async def stop(self, client: WatchingClient, **target: Any) -> dict[str, Any]:
        command_id = await self.send(client, "stop", **target)
        return client.acks[command_id]

    async def says(self, *texts: str, call: int = -1) -> None:
        for text in texts:
            self.core.model.open_calls[call].emit(text)
            await self.core.advance(0.011)

    async def ends(self, error: AntiphonError | None = None, *, call: int = -1) -> None:
        chosen = self.core.model.open_calls[call]
        chosen.end() if error is None else chosen.fail(error)
        await self.core.settle()

    def run(self, run_id: str) -> RunRow:
        row = self.core.running.store.read_inline(lambda tx: tx.get(RUNS, EVERYTHING, run_id))
        assert row is not None
        return row

    def message(self, message_id: str) -> MessageRow:
        row = self.core.running.store.read_inline(lambda tx: tx.get(MESSAGES, EVERYTHING, message_id))
        assert row is not None
        return row

    def kinds(self, client: WatchingClient, topic: str = TOPIC) -> list[str]:
        return [
            frame["type"] for frame in client.frames if frame.get("topic") == topic and "seq" in frame and "epoch" not in frame
        ]

    def all_well(self, *clients: WatchingClient) -> None:
        for client in clients:
            client.read()
        assert [*self.core.ledger.faults, *(fault for client in clients for fault in client.faults)] == []


@pytest.fixture(scope="session")
def core_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("core") / "antiphon.db"
    asyncio.run(make_template(path))
    return path


@pytest.fixture
async def open_talk(core_template: Path, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Talk]]]:
    opened: list[LiveCore] = []

    async def open_(**settings: Any) -> Talk:
        copy_template(core_template, tmp_path)
        core = LiveCore(tmp_path, **settings)
        await core.start()
        opened.append(core)
        return Talk(core)

    yield open_
    for core in opened:
        if core.process is not None:
            await core.crash()


@pytest.fixture
async def talk(open_talk: Callable[..., Awaitable[Talk]]) -> Talk:
    return await open_talk()
