from __future__ import annotations

import pytest

from antiphon.access.identity import Identity, Role, RoleName
from antiphon.access.scope import Action, Scope, scope
from antiphon.commands.services import Services
from antiphon.core.errors import Forbidden, NotFound, QuotaExceeded, Unauthorized
from antiphon.library.keys import KEYS_PER_USER
from antiphon.testing.world import memory_services


async def reach(services: Services, identity: Identity) -> Scope:
    return await scope(identity, Action.READ, services.accounts)


async def make(
    services: Services, identity: Identity, *, workspace: str | None = None, role: RoleName | None = None
) -> tuple[Identity, str]:
    row, secret = await services.accounts.keys.create(
        identity, await reach(services, identity), name="key", workspace_id=workspace, role=role
    )
    return await services.accounts.authenticate_bearer(secret), row.id


async def test_a_key_carries_its_limits(services: Services):
    owner = await services.accounts.owner_identity()
    workspace = await services.workspaces.create(owner, name="W")
    for given_workspace, role, rules in (
        (None, None, True),
        (None, "owner", True),
        (None, "editor", False),
        (workspace.id, None, False),
        (workspace.id, "viewer", False),
    ):
        identity, _ = await make(services, owner, workspace=given_workspace, role=role)  # type: ignore[arg-type]
        assert identity.key_workspace == given_workspace
        assert identity.key_role == (
            None if role is None else {"owner": Role.OWNER, "editor": Role.EDITOR, "viewer": Role.VIEWER}[role]
        )
        assert identity.server_owner is rules, (given_workspace, role)


async def test_a_narrow_key_makes_no_wider_one(services: Services):
    owner = await services.accounts.owner_identity()
    workspace, other = (await services.workspaces.create(owner, name="W")), (await services.workspaces.create(owner, name="V"))
    narrow, _ = await make(services, owner, workspace=workspace.id, role="editor")
    for given_workspace, role, error in (
        (None, "viewer", Forbidden),
        (None, None, Forbidden),
        (workspace.id, None, Forbidden),
        (workspace.id, "owner", Forbidden),
        (other.id, "viewer", NotFound),
    ):
        with pytest.raises(error):
            await make(services, narrow, workspace=given_workspace, role=role)  # type: ignore[arg-type]
    identity, _ = await make(services, narrow, workspace=workspace.id, role="editor")
    assert identity.key_role is Role.EDITOR
    capped, _ = await make(services, owner, role="viewer")
    with pytest.raises(Forbidden):
        await make(services, capped, role="editor")
    await make(services, capped, workspace=other.id, role="viewer")


async def test_nobody_makes_a_key_above_the_own_role_or_for_a_foreign_workspace(services: Services):
    owner = await services.accounts.owner_identity()
    workspace = await services.workspaces.create(owner, name="W")
    secret = await services.workspaces.create(owner, name="secret")
    user = await services.accounts.create_user("Ann", "correct horse")
    _, cookie = await services.accounts.login("Ann", "correct horse")
    ann = await services.accounts.authenticate_cookie(cookie)
    owners_reach = await scope(owner, Action.MANAGE, services.accounts)
    await services.members.put(owners_reach, workspace.id, user.id, Role.VIEWER)
    with pytest.raises(Forbidden):
        await make(services, ann, workspace=workspace.id, role="editor")
    with pytest.raises(NotFound) as foreign:
        await make(services, ann, workspace=secret.id)
    with pytest.raises(NotFound) as missing:
        await make(services, ann, workspace="ws_missing")
    assert foreign.value.message.replace(secret.id, "X") == missing.value.message.replace("ws_missing", "X")


async def test_lists_and_revokes_only_what_is_no_wider(services: Services):
    owner = await services.accounts.owner_identity()
    workspace = await services.workspaces.create(owner, name="W")
    _, wide_id = await make(services, owner)
    narrow, narrow_id = await make(services, owner, workspace=workspace.id, role="editor")
    _, same_id = await make(services, owner, workspace=workspace.id, role="viewer")
    _, higher_id = await make(services, owner, workspace=workspace.id, role="owner")
    shown = {row.id for row in await services.accounts.keys.list(narrow, after=None, limit=50)}
    assert shown == {narrow_id, same_id}
    for ident in (wide_id, higher_id, "key_missing"):
        with pytest.raises(NotFound):
            await services.accounts.keys.revoke(narrow, ident)
    await services.accounts.keys.revoke(narrow, same_id)
    assert {row.id for row in await services.accounts.keys.list(owner, after=None, limit=50)} == {wide_id, narrow_id, higher_id}


async def test_revoking_is_at_once_and_once(services: Services):
    owner = await services.accounts.owner_identity()
    row, secret = await services.accounts.keys.create(owner, await reach(services, owner), name="k", workspace_id=None, role=None)
    held = await services.accounts.authenticate_bearer(secret)
    await services.accounts.keys.revoke(owner, row.id)
    with pytest.raises(Unauthorized):
        await services.accounts.authenticate_bearer(secret)
    assert not await services.accounts.is_still_valid(held)
    with pytest.raises(NotFound):
        await services.accounts.keys.revoke(owner, row.id)


async def test_the_number_of_keys_is_bounded():
    services = memory_services()
    owner = await services.accounts.owner_identity()
    own_reach = await reach(services, owner)
    for _ in range(KEYS_PER_USER):
        await services.accounts.keys.create(owner, own_reach, name="k", workspace_id=None, role=None)
    with pytest.raises(QuotaExceeded):
        await services.accounts.keys.create(owner, own_reach, name="k", workspace_id=None, role=None)
