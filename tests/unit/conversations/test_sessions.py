from __future__ import annotations

import asyncio

import pytest

from antiphon.access.changes import AccessChange
from antiphon.access.identity import Identity, Role
from antiphon.access.scope import Action, Scope, scope, system_scope
from antiphon.commands.services import Services
from antiphon.conversations.sessions import is_session_id, session_json
from antiphon.core.errors import BadRequest, Forbidden, NotFound, RunActive
from antiphon.core.ids import UserId
from antiphon.protocol.events import Event, SessionCreated, SessionDeleted, SessionUpdated
from antiphon.storage.records.rows import MESSAGES, RUNS, MessageRow, RunRow, SessionRow

ALL = system_scope("test")


class Team:
    """Ann owns the workspace, Bob views it, Eve is elsewhere. `told`: what the sessions published, topic by topic."""

    def __init__(self, services: Services, people: dict[str, Identity], workspace_id: str) -> None:
        self.services, self.workspace_id = services, workspace_id
        self.ann, self.bob, self.eve = people["Ann"], people["Bob"], people["Eve"]
        self.told: list[tuple[str, Event]] = []
        services.sessions._publish = lambda topics, event: self.told.extend((topic, event) for topic in topics)

    async def reach(self, identity: Identity) -> Scope:
        return await scope(identity, Action.READ, self.services.accounts)

    async def create(self, identity: Identity, **more: str) -> SessionRow:
        return await self.services.sessions.create(identity, await self.reach(identity), self.workspace_id, **more)

    def take(self) -> list[tuple[str, type[Event]]]:
        told, self.told[:] = [(topic, type(event)) for topic, event in self.told], []
        return told


@pytest.fixture
async def team(services: Services) -> Team:
    people: dict[str, Identity] = {}
    for name in ("Ann", "Bob", "Eve"):
        user = await services.accounts.create_user(name, "correct horse")
        people[name] = await services.accounts.authenticate_cookie(await services.accounts.start_login(UserId(user.id)))
    workspace = await services.workspaces.create(people["Ann"], name="W")
    manage = await scope(people["Ann"], Action.MANAGE, services.accounts)
    await services.members.put(manage, workspace.id, people["Bob"].user_id, Role.VIEWER)
    await services.workspaces.create(people["Eve"], name="V")
    return Team(services, people, workspace.id)


async def test_a_session_is_private_until_it_is_shared(team: Team):
    row = await team.create(team.bob, title="  My\u202e question ")
    assert (row.title, row.visibility, row.author_id) == ("My question", "private", team.bob.user_id)
    assert team.take() == [(f"user:{team.bob.user_id}", SessionCreated)]
    sessions = team.services.sessions
    for other in (team.ann, team.eve):  # not even the owner of the workspace
        with pytest.raises(NotFound):
            await sessions.get(await team.reach(other), row.id)
        assert await sessions.list(await team.reach(other), limit=10) == []
        with pytest.raises(NotFound):
            await sessions.update(other, await team.reach(other), row.id, title="mine")
    heard: list[AccessChange] = []
    team.services.changes.listen(heard.append)

    await sessions.update(team.bob, await team.reach(team.bob), row.id, visibility="workspace")
    user, session, workspace = f"user:{team.bob.user_id}", f"session:{row.id}", f"workspace:{team.workspace_id}"
    assert team.take() == [(user, SessionUpdated), (session, SessionUpdated), (workspace, SessionCreated)]
    assert (await sessions.get(await team.reach(team.ann), row.id)).id == row.id
    with pytest.raises(NotFound):
        await sessions.get(await team.reach(team.eve), row.id)
    with pytest.raises(Forbidden):
        await sessions.update(team.ann, await team.reach(team.ann), row.id, title="mine")
    with pytest.raises(Forbidden):
        await sessions.delete(team.ann, await team.reach(team.ann), row.id)
    assert heard == []

    await sessions.update(team.bob, await team.reach(team.bob), row.id, title="Ours")
    assert team.take() == [(user, SessionUpdated), (session, SessionUpdated), (workspace, SessionUpdated)]
    await sessions.update(team.bob, await team.reach(team.bob), row.id, visibility="private")
    assert team.take()[-1] == (workspace, SessionDeleted)
    assert heard == [AccessChange(kind="lowered", workspace_id=team.workspace_id, session_id=row.id)]
    with pytest.raises(NotFound):
        await sessions.get(await team.reach(team.ann), row.id)


async def test_changes_tell_what_changed_and_nothing_when_nothing_did(team: Team):
    row = await team.create(team.bob, title="a")
    team.take()
    team.services.runtime.clock.pass_time(5)  # type: ignore[attr-defined]
    await team.services.sessions.update(team.bob, await team.reach(team.bob), row.id, title="b", pinned=False)
    event = team.told[0][1]
    assert isinstance(event, SessionUpdated)
    assert set(event.changes) == {"title", "updated_at"}
    team.take()
    await team.services.sessions.update(team.bob, await team.reach(team.bob), row.id, title="b")
    assert team.take() == []


async def test_the_callers_own_name_leads_to_one_session_for_each_caller_and_workspace(team: Team):
    first = await team.create(team.bob, name="test_123")
    assert (await team.create(team.bob, name="test_123")).id == first.id
    assert (await team.create(team.ann, name="test_123")).id != first.id
    assert first.id not in str(await team.create(team.ann, name="test_123"))
    created = [event for _, event in team.told if isinstance(event, SessionCreated)]
    assert len(created) == 2
    many = await asyncio.gather(*(team.create(team.bob, name="at once") for _ in range(20)))
    assert len({row.id for row in many}) == 1


async def test_a_reference_of_our_form_must_exist(team: Team):
    row, foreign = await team.create(team.bob), await team.create(team.ann)
    assert is_session_id(row.id)
    assert (await team.create(team.bob, name=row.id)).id == row.id
    for reference in (foreign.id, team.services.runtime.ids.new("ses")):
        with pytest.raises(NotFound):
            await team.create(team.bob, name=reference)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "a\x00b", "\u202e"])
async def test_names_that_can_not_be_used(team: Team, name: str):
    with pytest.raises(BadRequest):
        await team.create(team.bob, name=name)


@pytest.mark.parametrize("name", ["ses_short", "test_123", "会话", "a b/c?d", "ses_" + "-" * 29])
async def test_what_is_no_id_of_ours_is_a_name(team: Team, name: str):
    assert not is_session_id(name)
    assert (await team.create(team.bob, name=name)).name == name


async def test_nobody_begins_one_in_a_foreign_workspace(team: Team):
    with pytest.raises(NotFound):
        await team.create(team.eve)


async def test_lists_are_of_what_one_may_read_last_changed_first(team: Team):
    rows: list[SessionRow] = []
    for author, title in ((team.bob, "one"), (team.ann, "two"), (team.bob, "three"), (team.ann, "four")):
        team.services.runtime.clock.pass_time(1)  # type: ignore[attr-defined]
        rows.append(await team.create(author, title=title))
    team.services.runtime.clock.pass_time(1)  # type: ignore[attr-defined]
    sessions, reach = team.services.sessions, await team.reach(team.bob)
    await sessions.update(team.ann, await team.reach(team.ann), rows[1].id, visibility="workspace")
    assert [row.title for row in await sessions.list(reach, limit=10)] == ["two", "three", "one"]
    first = await sessions.list(reach, limit=2)
    after = (first[-1].updated_at, first[-1].id)
    assert [row.title for row in await sessions.list(reach, after=after, limit=2)] == ["one"]
    assert [row.title for row in await sessions.list(reach, author_id=team.bob.user_id, limit=9)] == ["three", "one"]
    assert [row.title for row in await sessions.list(reach, q="TH", limit=9)] == ["three"]
    assert await sessions.list(await team.reach(team.eve), limit=9) == []
    with pytest.raises(NotFound):
        await sessions.list(await team.reach(team.eve), workspace_id=team.workspace_id, limit=9)


async def test_whoever_leaves_the_workspace_loses_the_sessions_there(team: Team):
    row = await team.create(team.bob)
    await team.services.members.remove(
        await scope(team.ann, Action.MANAGE, team.services.accounts), team.workspace_id, team.bob.user_id
    )
    with pytest.raises(NotFound):
        await team.services.sessions.get(await team.reach(team.bob), row.id)


async def test_deleting_takes_messages_and_runs_along(team: Team):
    row = await team.create(team.bob)
    run = RunRow(
        id="run_1", session_id=row.id, workspace_id=team.workspace_id, author_id=team.bob.user_id, model="m", created_at=0.0
    )
    message = MessageRow(id="msg_1", session_id=row.id, workspace_id=team.workspace_id, ordinal=1, role="user", created_at=0.0)
    await team.services.store.write(lambda tx: (tx.insert(RUNS, run), tx.insert(MESSAGES, message)))
    team.take()
    reach = await team.reach(team.bob)
    with pytest.raises(RunActive):
        await team.services.sessions.delete(team.bob, reach, row.id)
    await team.services.store.write(lambda tx: tx.update(RUNS, ALL, "run_1", state="completed"))
    heard: list[AccessChange] = []
    team.services.changes.listen(heard.append)
    await team.services.sessions.delete(team.bob, reach, row.id)
    with pytest.raises(NotFound):
        await team.services.sessions.get(reach, row.id)
    left = await team.services.store.read(lambda tx: (tx.count(MESSAGES, ALL), tx.count(RUNS, ALL)))
    assert left == (0, 0)
    assert team.take() == [(f"user:{team.bob.user_id}", SessionDeleted), (f"session:{row.id}", SessionDeleted)]
    assert heard[0].session_id == row.id
    with pytest.raises(NotFound):
        await team.services.sessions.delete(team.bob, reach, row.id)


def test_the_shape_of_names_md():
    row = SessionRow(id="ses_1", workspace_id="ws_1", author_id="usr_1", created_at=0.0, updated_at=0.0)
    shown = session_json(row)
    assert {"id", "workspace_id", "title", "visibility", "pinned", "created_at"} <= set(shown)
    assert shown["created_at"] == "1970-01-01T00:00:00.000Z"
