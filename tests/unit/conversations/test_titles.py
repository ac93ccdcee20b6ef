"""Titles by a model: bounded, cleaned, never in the place of one that somebody gave."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.access.changes import AccessChanges
from antiphon.access.scope import system_scope
from antiphon.conversations.sessions import Sessions
from antiphon.conversations.titles import SessionTitles, clean_title
from antiphon.core.display_names import title_of
from antiphon.core.errors import ModelUnavailable
from antiphon.models.chat import ReasoningDelta
from antiphon.protocol.events import SessionUpdated
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.rows import SESSIONS, SessionRow
from antiphon.testing.models import ScriptedChat, ScriptedModels, Step, Wait
from antiphon.testing.simulated import simulated_runtime

QUESTION = "How many days of leave do people have in their first year?"
REACH = system_scope("test")


class Scene:
    def __init__(self, *steps: Step) -> None:
        self.runtime = simulated_runtime()
        self.store = MemoryStore()
        self.told: list[tuple[list[str], Any]] = []
        sessions = Sessions(
            self.store, self.runtime, lambda topics, event: self.told.append((list(topics), event)), AccessChanges()
        )
        self.model = ScriptedChat(self.runtime, steps)
        self.titles = SessionTitles(self.store, self.runtime, ScriptedModels({"m": self.model}), sessions)

    async def session(self, title: str = title_of(QUESTION), visibility: Any = "private") -> None:
        row = SessionRow(
            id="ses_1", workspace_id="ws_1", author_id="usr_1", title=title, visibility=visibility, created_at=0.0, updated_at=5.0
        )
        await self.store.write(lambda tx: tx.insert(SESSIONS, row))

    async def answered(self, **changes: Any) -> str:
        given = {
            "session_id": "ses_1", "model": "m", "question": QUESTION, "answer": "Twenty [1].", "first": True, "language": "en",
        }  # fmt: skip
        self.titles.answered(**{**given, **changes})
        for _ in range(50):
            await self.runtime.advance(0.01)
        row = await self.store.read(lambda tx: tx.get(SESSIONS, REACH, "ses_1"))
        return row.title if row is not None else ""


async def test_the_model_gives_the_title_after_the_first_answer() -> None:
    scene = Scene('"Leave in the ', "first year.", '"\n', Wait(99.0), "more")
    await scene.session(visibility="workspace")
    assert await scene.answered() == "Leave in the first year"
    assert [topics for topics, _ in scene.told] == [["user:usr_1", "session:ses_1"], ["workspace:ws_1"]]
    event = scene.told[0][1]
    assert isinstance(event, SessionUpdated)
    assert event.changes["title"] == "Leave in the first year"
    (request,) = scene.model.requests
    assert request.messages[1].content == f"> {QUESTION}\n\n> Twenty [1]."
    assert scene.model.streaming == 0, "what it went on to say was not waited for"


@pytest.mark.parametrize("changes", [{"first": False}, {"model": "extractive"}, {"answer": "  "}, {"session_id": None}])
async def test_when_no_title_is_asked_for(changes: dict[str, Any]) -> None:
    scene = Scene("Another")
    await scene.session()
    assert await scene.answered(**changes) == title_of(QUESTION)
    assert scene.model.requests == []


@pytest.mark.parametrize("steps", [(ModelUnavailable("Away."),), ("",), ("<think>hm", " and so on"), (Wait(3600.0),)])
async def test_without_a_title_the_first_words_stay(steps: tuple[Step, ...]) -> None:
    scene = Scene(*steps)
    await scene.session()
    assert await scene.answered() == title_of(QUESTION)
    assert scene.told == []
    await scene.titles.close()
    assert scene.model.streaming == 0


async def test_a_title_that_somebody_gave_meanwhile_stays() -> None:
    scene = Scene("Another")
    await scene.session("My own")
    assert await scene.answered() == "My own"
    assert scene.told == []


async def test_a_session_that_is_gone() -> None:
    scene = Scene("Another")
    assert await scene.answered() == ""


async def test_only_a_few_at_once() -> None:
    scene = Scene(Wait(3600.0))
    await scene.session()
    for _ in range(20):
        scene.titles.answered(session_id="ses_1", model="m", question=QUESTION, answer="A", first=True, language="en")
    await scene.runtime.advance(0.1)
    assert len(scene.model.requests) == 4
    await scene.titles.close()


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Leave days", "Leave days"),
        ('**Title:** "Leave days"', "Leave days"),
        ("标题：《年假规定》。", "年假规定"),
        ("<think>They ask\nabout leave.</think>\n\nLeave days", "Leave days"),
        ("\n\n# Leave days\nand more", "Leave days"),
        ("Leave\u202e days\x00", "Leave days"),
        ("w " * 200, title_of("w " * 200)),
        ("<think>never ends", ""),
        ("...", ""),
    ],
)
def test_titles_are_cleaned(said: str, title: str) -> None:
    assert clean_title(said) == title
    assert len(clean_title(said)) <= 61


async def test_thinking_aloud_is_no_title() -> None:
    scene = Scene(ReasoningDelta("They want to know about leave."), "Leave days")
    await scene.session()
    assert await scene.answered() == "Leave days"
