"""One schedule, four clients: over the socket, the event stream, long polls, and one that changes between them. Their logs are equal.

docs/protocol.md: the same frames and the same cursor on every transport; a change loses and doubles nothing (P2 of security.md).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from antiphon.storage.event_log.contract import Entry
from antiphon.testing.followers import KINDS, Follower, applied_log
from antiphon.testing.live_core import SESSION_IDS, LiveCore, copy_template, make_template
from antiphon.transports.cursor import Cursor

SCHEDULES = 2000 if os.environ.get("ANTIPHON_PROVE") else 220
TOPIC = f"session:{SESSION_IDS[0]}"
PIECES = ["Ja", " [", "1]", "【1】", "🙂", "休假", "。", "x" * 300, "\n", "data: \n\n"]
SHM = Path("/dev/shm")
COUNTS: Counter[str] = Counter()

numbers = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("ask"), st.lists(st.sampled_from(PIECES), max_size=5)),
    st.tuples(st.just("say"), st.lists(st.sampled_from(PIECES), min_size=1, max_size=6)),
    st.tuples(st.just("say"), st.lists(st.sampled_from(PIECES), min_size=1, max_size=6)),
    st.tuples(st.just("end"), st.none()),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("cut"), numbers),
    st.tuples(st.just("again"), numbers),
    st.tuples(st.just("read"), st.tuples(numbers, st.integers(0, 5))),
    st.tuples(st.just("read"), st.tuples(numbers, st.integers(0, 5))),
    st.tuples(st.just("change"), st.sampled_from(KINDS)),
    st.tuples(st.just("attend"), numbers),
    st.tuples(
        st.just("stumble"), st.tuples(numbers, st.lists(st.sampled_from(PIECES), min_size=1, max_size=4), st.integers(1, 4))
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.003, 0.03, 0.4])),
)


class World:
    """The server and its four clients, one schedule long."""

    def __init__(self, template: Path, folder: Path) -> None:
        copy_template(template, folder)
        self.core = LiveCore(folder, seed=1)
        self.lazy: set[int] = set()
        self.asked = 0

    async def run(self, schedule: list[tuple[str, Any]]) -> None:
        await self.core.start()
        self.followers = [Follower(self.core, TOPIC, kind) for kind in (*KINDS, "stream")]
        for follower in self.followers:
            follower.connect()
        await self._settle()
        try:
            for name, argument in schedule:
                COUNTS[name] += 1
                await getattr(self, name)(argument)
                await self._settle()
            await self._finish()
        except BaseException:
            await self.core.crash()  # or what still runs would be waited for
            raise

    async def _settle(self) -> None:
        await self.core.settle()
        for number, follower in enumerate(self.followers):
            if number not in self.lazy:
                await follower.read()

    async def ask(self, texts: list[str]) -> None:
        client = self.core.connect()
        self.asked += 1
        question = {"type": "chat_message", "id": f"q{self.asked}", "session_id": SESSION_IDS[0], "content": "What about it?"}
        client.send(question)
        await self._settle()
        await self.say(texts)

    async def say(self, texts: list[str]) -> None:
        for text in texts:
            if self.core.model.open_calls:
                self.core.model.open_calls[-1].emit(text)
                await self.core.advance(0.011)

    async def end(self, _: None) -> None:
        if self.core.model.open_calls:
            self.core.model.open_calls[-1].end()

    async def stop(self, _: None) -> None:
        client = self.core.connect()
        self.asked += 1
        client.send({"type": "stop", "id": f"s{self.asked}", "session_id": SESSION_IDS[0]})

    async def wait(self, seconds: float) -> None:
        await self.core.advance(seconds)

    async def cut(self, number: int) -> None:
        self.followers[number].cut()

    async def again(self, number: int) -> None:
        self.followers[number].connect()

    async def change(self, kind: Any) -> None:
        self.followers[3].connect(kind)

    async def read(self, argument: tuple[int, int]) -> None:
        """Only some of what has come: from now on this one reads when told, until `attend`."""
        number, count = argument
        self.lazy.add(number)
        await self.followers[number].read(count)

    async def stumble(self, argument: tuple[int, list[str], int]) -> None:
        """Misses something, comes back, and is cut again in the middle of what it missed."""
        number, texts, count = argument
        self.followers[number].cut()
        await self.say(texts)
        self.lazy.add(number)
        self.followers[number].connect()
        await self._settle()
        await self.followers[number].read(count)
        self.followers[number].connect()

    async def attend(self, number: int) -> None:
        self.lazy.discard(number)

    async def _finish(self) -> None:
        await self.core.advance(1.0)
        self.lazy.clear()
        for follower in self.followers:
            if not follower.connected:
                follower.connect()
        await self._settle()
        await self._settle()
        logs = [applied_log(follower.applied) for follower in self.followers]
        faults = [fault for follower in self.followers for fault in follower.faults]
        assert not faults, faults
        assert [follower.snapshots for follower in self.followers] == [1, 1, 1, 1], "all were there from the beginning"
        assert logs[1] == logs[0], "the event stream and the socket"
        assert logs[2] == logs[0], "long polls and the socket"
        assert logs[3] == logs[0], "changes of transport and the socket"
        assert len({str(follower.state.messages) for follower in self.followers}) == 1
        COUNTS["schedules"] += 1
        COUNTS["events"] += len(logs[0])
        for follower in self.followers:
            follower.cut()
        await self.core.settle()
        await self.core.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("template") / "antiphon.db"
    asyncio.run(make_template(path))
    return path


def profile(examples: int, *phases: Phase) -> settings:
    return settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False, phases=phases,
    )  # fmt: skip


def check(template: Path, schedules: int, *phases: Phase) -> None:
    @profile(schedules, *phases)
    @given(st.lists(steps, min_size=8, max_size=40))
    def agree(schedule: list[tuple[str, Any]]) -> None:
        folder = Path(tempfile.mkdtemp(prefix="antiphon-agree-", dir=SHM if SHM.is_dir() else None))
        try:
            asyncio.run(World(template, folder).run([("ask", ["Well"]), *schedule]))
        finally:
            shutil.rmtree(folder)

    agree()


@pytest.mark.slow
def test_every_transport_tells_the_same(template: Path) -> None:
    COUNTS.clear()
    check(template, SCHEDULES, Phase.generate, Phase.shrink)
    print(dict(COUNTS))
    assert COUNTS["schedules"] >= 200
    assert min(COUNTS[name] for name in ("change", "cut", "again", "say", "ask", "stop", "end")) > 100


# --- planted bugs: a proof that finds nothing proves nothing ----------------------------------------------------------------


def subscribed_moves_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    after_frame = Cursor.after_frame

    def eager(self: Cursor, frame: bytes) -> bool:
        return after_frame(self, frame.replace(b'"subscribed"', b'"subscribed!"', 1))

    monkeypatch.setattr(Cursor, "after_frame", eager)


def the_cursor_stands_before_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    after_entry = Cursor.after_entry

    def late(self: Cursor, entry: Entry) -> bool:
        return after_entry(self, Entry(entry.topic, entry.seq - 1, entry.kind, entry.body))

    monkeypatch.setattr(Cursor, "after_entry", late)


@pytest.mark.slow
@pytest.mark.parametrize(
    "plant", [subscribed_moves_the_cursor, the_cursor_stands_before_the_event], ids=lambda plant: plant.__name__
)
def test_a_planted_bug_is_found(
    template: Path, plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, ExceptionGroup)):
        check(template, 300, Phase.generate)
