from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from antiphon.access.changes import AccessChange
from antiphon.access.identity import Identity, Role
from antiphon.access.scope import Action, Scope, scope
from antiphon.commands.services import Services
from antiphon.core.errors import BadRequest, Conflict, Forbidden, NotFound
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.library.documents import Upload
from antiphon.library.workspaces import REMOVAL_BATCH, Workspaces, workspace_json


async def person(services: Services, name: str) -> Identity:
    user = await services.accounts.create_user(name, "correct horse")
    return await services.accounts.authenticate_cookie(await services.accounts.start_login(UserId(user.id)))


async def reach(services: Services, identity: Identity, action: Action = Action.MANAGE) -> Scope:
    return await scope(identity, action, services.accounts)


async def test_whoever_makes_one_owns_it_and_nobody_else_knows_of_it(services: Services):
    ann, bob = await person(services, "Ann"), await person(services, "Bob")
    row = await services.workspaces.create(ann, name="产品手册", k=4)
    shown = workspace_json(await services.workspaces.get(await reach(services, ann), row.id), await reach(services, ann))
    assert {"name": "产品手册", "k": 4, "mode": "documents_only", "role": "owner", "model": None}.items() <= shown.items()
    assert shown["slug"].isascii()
    assert await services.workspaces.list(await reach(services, bob), after=None, limit=10) == []
    with pytest.raises(NotFound) as foreign:
        await services.workspaces.get(await reach(services, bob), row.id)
    with pytest.raises(NotFound) as missing:
        await services.workspaces.get(await reach(services, bob), "ws_missing")
    assert foreign.value.message.replace(row.id, "X") == missing.value.message.replace("ws_missing", "X")


async def test_the_server_owner_is_no_member_by_itself(services: Services):
    ann, owner = await person(services, "Ann"), await services.accounts.owner_identity()
    row = await services.workspaces.create(ann, name="W")
    with pytest.raises(NotFound):
        await services.workspaces.get(await reach(services, owner), row.id)


async def test_a_narrowed_key_makes_none(services: Services):
    ann = await person(services, "Ann")
    for narrowed in (replace(ann, key_workspace=WorkspaceId("ws_1")), replace(ann, key_role=Role.EDITOR)):
        with pytest.raises(Forbidden):
            await services.workspaces.create(narrowed, name="W")
    await services.workspaces.create(replace(ann, key_role=Role.OWNER), name="W")


async def test_the_default_is_the_oldest(services: Services):
    ann = await person(services, "Ann")
    with pytest.raises(BadRequest, match="workspace"):
        await services.workspaces.default(await reach(services, ann))
    first = await services.workspaces.create(ann, name="first")
    services.runtime.clock.pass_time(1)  # type: ignore[attr-defined]
    second = await services.workspaces.create(ann, name="second")
    assert (await services.workspaces.default(await reach(services, ann))).id == first.id
    await services.workspaces.delete(await reach(services, ann), first.id)
    assert (await services.workspaces.default(await reach(services, ann))).id == second.id


async def test_changes_need_the_role_owner(services: Services):
    ann, bob = await person(services, "Ann"), await person(services, "Bob")
    row = await services.workspaces.create(ann, name="W")
    await services.members.put(await reach(services, ann), row.id, bob.user_id, Role.EDITOR)
    with pytest.raises(Forbidden):
        await services.workspaces.update(await reach(services, bob), row.id, name="mine now")
    with pytest.raises(Forbidden):
        await services.workspaces.update(await reach(services, bob), row.id)
    with pytest.raises(Forbidden):
        await services.workspaces.delete(await reach(services, bob), row.id)
    changed = await services.workspaces.update(await reach(services, ann), row.id, name="  new\u202e name ", k=3, model=None)
    assert (changed.name, changed.k) == ("new name", 3)
    assert await services.workspaces.update(await reach(services, ann), row.id) == changed
    with pytest.raises(BadRequest):
        await services.workspaces.update(await reach(services, ann), row.id, name="\u200b")


async def test_deleting_is_at_once_for_everybody_and_hands_the_documents_over(services: Services):
    ann, bob = await person(services, "Ann"), await person(services, "Bob")
    row = await services.workspaces.create(ann, name="W")
    await services.members.put(await reach(services, ann), row.id, bob.user_id, Role.EDITOR)
    uploads = [Upload(name=f"{n}.md", sha256=f"{n:064x}", size_bytes=1) for n in range(REMOVAL_BATCH + 5)]
    added = await services.documents.add(ann, await reach(services, ann), row.id, uploads)
    session = await services.sessions.create(bob, await reach(services, bob, Action.READ), row.id)
    heard: list[AccessChange] = []
    services.changes.listen(heard.append)
    stale = await reach(services, bob)

    await services.workspaces.delete(await reach(services, ann), row.id)
    assert heard == [AccessChange(kind="revoked", workspace_id=row.id)]
    fresh = await reach(services, bob)
    assert not fresh.visible
    for held in (stale, fresh):  # a request that is already under way finds nothing either
        with pytest.raises(NotFound):
            await services.documents.get(held, added[0].row.id)
        with pytest.raises(NotFound):
            await services.workspaces.get(held, row.id)
    with pytest.raises(NotFound):
        await services.sessions.get(fresh, session.id)
    removals = [job for job in await services.jobs.list() if job.kind == "remove_document"]
    assert {job.subject for job in removals} == {entry.row.id for entry in added}
    assert all(job.payload["sha256"] for job in removals)


async def test_a_crash_between_the_two_halves_of_a_deletion_is_made_good_at_the_next_start(
    services: Services, monkeypatch: pytest.MonkeyPatch
):
    ann = await person(services, "Ann")
    row = await services.workspaces.create(ann, name="W")
    uploads = [Upload(name=f"{n}.md", sha256=f"{n:064x}", size_bytes=1) for n in range(3)]
    await services.documents.add(ann, await reach(services, ann), row.id, uploads)

    async def crash(*_: object) -> int:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(Workspaces, "_remove_documents", crash)
        with pytest.raises(RuntimeError):
            await services.workspaces.delete(await reach(services, ann), row.id)
    assert await services.workspaces.finish_deletions() == 3
    assert await services.workspaces.finish_deletions() == 0


async def test_members_come_change_and_go(services: Services):
    ann, bob = await person(services, "Ann"), await person(services, "Bob")
    row = await services.workspaces.create(ann, name="W")
    heard: list[AccessChange] = []
    services.changes.listen(heard.append)
    manage = await reach(services, ann)
    for role, kind in ((Role.EDITOR, "granted"), (Role.VIEWER, "lowered"), (Role.OWNER, "granted")):
        member, user = await services.members.put(manage, row.id, bob.user_id, role)
        assert (member.role, user.name) == (role.label, "Bob")
        assert heard[-1] == AccessChange(kind=kind, user_id=bob.user_id, workspace_id=row.id)  # type: ignore[arg-type]
        assert (await services.accounts.roles_of(bob.user_id)) == {row.id: role}
    listed = await services.members.list(manage, row.id, after=None, limit=10)
    assert {(user.name, member.role) for member, user in listed} == {("Ann", "owner"), ("Bob", "owner")}
    await services.members.remove(manage, row.id, bob.user_id)
    assert await services.accounts.roles_of(bob.user_id) == {}
    with pytest.raises(NotFound):
        await services.members.remove(manage, row.id, bob.user_id)
    with pytest.raises(NotFound):
        await services.members.put(manage, row.id, "usr_missing", Role.VIEWER)


async def test_the_last_owner_stays(services: Services):
    ann, bob = await person(services, "Ann"), await person(services, "Bob")
    row = await services.workspaces.create(ann, name="W")
    manage = await reach(services, ann)
    with pytest.raises(Conflict, match="owner"):
        await services.members.remove(manage, row.id, ann.user_id)
    with pytest.raises(Conflict, match="owner"):
        await services.members.put(manage, row.id, ann.user_id, Role.EDITOR)
    await services.members.put(manage, row.id, ann.user_id, Role.OWNER)
    await services.members.put(manage, row.id, bob.user_id, Role.OWNER)
    outcomes = await asyncio.gather(
        services.members.remove(manage, row.id, ann.user_id),
        services.members.remove(await reach(services, bob), row.id, bob.user_id),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1  # both at once: one stays
