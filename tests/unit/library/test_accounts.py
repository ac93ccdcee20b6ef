from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from antiphon.access.changes import AccessChange
from antiphon.access.identity import Role
from antiphon.access.scope import Action, scope, system_scope
from antiphon.commands.services import Services
from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, BadRequest, Conflict, Forbidden, NotFound, TokenExpired, Unauthorized
from antiphon.core.ids import UserId
from antiphon.storage.records.rows import KEYS, LOGINS, USERS, Table
from antiphon.testing.world import memory_services

ALL = system_scope("test")
PASSWORD = "correct horse"


async def rows(services: Services, table: Table[Any]) -> list[Any]:
    return await services.store.read(lambda tx: tx.find(table, ALL))


async def test_the_owner_is_created_exactly_once_by_twenty_at_once(services: Services):
    owners = await asyncio.gather(*(services.accounts.ensure_owner() for _ in range(20)))
    assert len({owner.id for owner in owners}) == 1
    assert [(user.name, user.server_owner) for user in await rows(services, USERS)] == [("owner", True)]


async def test_the_owner_key_of_the_settings_counts_at_the_first_start_only():
    first, second = "k" * 40, "another key of forty characters, or more"
    services = memory_services(settings=Settings(data_dir=Path("unused"), owner_key=first))
    await services.accounts.ensure_owner()
    identity = await services.accounts.authenticate_bearer(first)
    assert identity.server_owner
    assert first not in str(await rows(services, KEYS))
    services.accounts._settings = Settings(data_dir=Path("unused"), owner_key=second)
    await services.accounts.ensure_owner()
    with pytest.raises(Unauthorized):
        await services.accounts.authenticate_bearer(second)


async def test_signing_in_gives_a_cookie_whose_secret_is_stored_nowhere(services: Services):
    user = await services.accounts.create_user("Ann", PASSWORD)
    shown, secret = await services.accounts.login("Ann", PASSWORD)
    assert shown.id == user.id
    identity = await services.accounts.authenticate_cookie(secret)
    assert (identity.user_id, identity.name, identity.server_owner) == (user.id, "Ann", False)
    assert identity.credential.startswith("lgn_")
    stored = str(await rows(services, LOGINS)) + str(await rows(services, USERS))
    assert secret not in stored
    assert secret[3:] not in stored


async def test_unknown_wrong_suspended_and_without_password_read_the_same(services: Services):
    await services.accounts.create_user("Ann", PASSWORD)
    suspended = await services.accounts.create_user("Sue", PASSWORD)
    await services.accounts.update_user(suspended.id, suspended=True)
    await services.accounts.ensure_owner()
    seen: set[tuple[str, str]] = set()
    for name, password in (
        ("Ann", "wrong"),
        ("Nobody", PASSWORD),
        ("Sue", PASSWORD),
        ("owner", PASSWORD),
        ("\u202e", PASSWORD),
        ("Ann", ""),
    ):
        with pytest.raises(AntiphonError) as caught:
            await services.accounts.login(name, password)
        seen.add((caught.value.code, caught.value.message))
    assert len(seen) == 1
    assert next(iter(seen))[0] == "unauthorized"


async def test_every_failed_sign_in_costs_one_verification():
    services = memory_services()
    await services.accounts.create_user("Ann", PASSWORD)
    hasher = services.accounts._passwords._hasher
    for name, password in (("Ann", "wrong"), ("Nobody", "wrong"), ("Ann", "x" * 10**6), ("\ud800", "wrong")):
        before = hasher.verified  # type: ignore[union-attr]
        with pytest.raises(Unauthorized):
            await services.accounts.login(name, password)
        assert hasher.verified - before == 1, name  # type: ignore[union-attr]


async def test_a_cookie_ends_at_sign_out_at_its_time_and_at_the_next_sign_in(services: Services):
    accounts = services.accounts
    await accounts.create_user("Ann", PASSWORD)
    _, first = await accounts.login("Ann", PASSWORD)
    identity = await accounts.authenticate_cookie(first)
    _, second = await accounts.login("Ann", PASSWORD, replaces=identity)
    with pytest.raises(Unauthorized):
        await accounts.authenticate_cookie(first)
    assert await accounts.logout(await accounts.authenticate_cookie(second))
    with pytest.raises(Unauthorized):
        await accounts.authenticate_cookie(second)
    _, third = await accounts.login("Ann", PASSWORD)
    kept = await accounts.authenticate_cookie(third)
    services.runtime.clock.pass_time(services.settings.auth.login_s)  # type: ignore[attr-defined]
    with pytest.raises(TokenExpired):
        await accounts.authenticate_cookie(third)
    with pytest.raises(TokenExpired):
        await accounts.demand_valid(kept)
    assert await accounts.forget_ended_logins(older_than_s=-1.0) == 3


async def test_a_key_is_no_cookie_and_a_cookie_no_key(services: Services):
    await services.accounts.create_user("Ann", PASSWORD)
    _, cookie = await services.accounts.login("Ann", PASSWORD)
    identity = await services.accounts.authenticate_cookie(cookie)
    reach = await scope(identity, Action.READ, services.accounts)
    _, key = await services.accounts.keys.create(identity, reach, name="k", workspace_id=None, role=None)
    with pytest.raises(Unauthorized):
        await services.accounts.authenticate_cookie(key)
    with pytest.raises(Unauthorized):
        await services.accounts.authenticate_bearer(cookie)


@pytest.mark.parametrize("token", ["", "ak_", "x" * 513, "\ud800", "ak_" + "0" * 43, "' OR 1=1 --"])
async def test_made_up_credentials(services: Services, token: str):
    await services.accounts.ensure_owner()
    with pytest.raises(Unauthorized):
        await services.accounts.authenticate_bearer(token)
    with pytest.raises(Unauthorized):
        await services.accounts.authenticate_cookie(token)


async def test_suspending_takes_effect_on_everything_that_is_held(services: Services):
    accounts = services.accounts
    user = await accounts.create_user("Ann", PASSWORD)
    _, cookie = await accounts.login("Ann", PASSWORD)
    identity = await accounts.authenticate_cookie(cookie)
    workspace = await services.workspaces.create(identity, name="Mine")
    reach = await scope(identity, Action.READ, accounts)
    _, key = await accounts.keys.create(identity, reach, name="k", workspace_id=None, role=None)
    by_key = await accounts.authenticate_bearer(key)
    assert await accounts.is_still_valid(identity)
    heard: list[AccessChange] = []
    services.changes.listen(heard.append)

    await accounts.update_user(user.id, suspended=True)
    assert heard == [AccessChange(kind="revoked", user_id=user.id)]
    assert not await accounts.is_still_valid(identity)
    assert not await accounts.is_still_valid(by_key)
    assert await accounts.roles_of(identity.user_id) == {}
    for attempt in (accounts.authenticate_bearer(key), accounts.authenticate_cookie(cookie)):
        with pytest.raises(Unauthorized):
            await attempt

    await accounts.update_user(user.id, suspended=False)
    assert (await accounts.roles_of(identity.user_id)) == {workspace.id: Role.OWNER}
    assert await accounts.is_still_valid(by_key)
    assert not await accounts.is_still_valid(identity)  # cookie sessions do not come back


async def test_the_owner_of_the_server_can_not_be_suspended(services: Services):
    owner = await services.accounts.ensure_owner()
    with pytest.raises(Forbidden):
        await services.accounts.update_user(owner.id, suspended=True)
    with pytest.raises(NotFound):
        await services.accounts.update_user("usr_nobody", suspended=True)


async def test_a_new_password_signs_out_all_other_devices(services: Services):
    accounts = services.accounts
    await accounts.create_user("Ann", PASSWORD)
    _, here = await accounts.login("Ann", PASSWORD)
    _, there = await accounts.login("Ann", PASSWORD)
    identity = await accounts.authenticate_cookie(here)
    with pytest.raises(Unauthorized):
        await accounts.change_own_password(identity, current="wrong", new="a new password")
    with pytest.raises(Unauthorized):
        await accounts.change_own_password(identity, current=None, new="a new password")
    await accounts.change_own_password(identity, current=PASSWORD, new="a new password")
    assert await accounts.is_still_valid(identity)
    with pytest.raises(Unauthorized):
        await accounts.authenticate_cookie(there)
    with pytest.raises(Unauthorized):
        await accounts.login("Ann", PASSWORD)
    await accounts.login("Ann", "a new password")


async def test_a_key_can_not_change_the_password(services: Services):
    user = await services.accounts.create_user("Ann", PASSWORD)
    identity = await services.accounts.authenticate_cookie(await services.accounts.start_login(UserId(user.id)))
    with pytest.raises(Forbidden):
        await services.accounts.change_own_password(replace(identity, credential="key_1"), current=PASSWORD, new="a new password")


async def test_the_owner_sets_a_first_password_after_the_one_time_link(services: Services):
    owner = await services.accounts.ensure_owner()
    user_id = services.sign_in_links.redeem(services.sign_in_links.issue(UserId(owner.id)))
    identity = await services.accounts.authenticate_cookie(await services.accounts.start_login(user_id))
    await services.accounts.change_own_password(identity, current=None, new="a first password")
    shown, _ = await services.accounts.login("owner", "a first password")
    assert shown.server_owner


@pytest.mark.parametrize("name", ["Ann", "ANN", "  ann ", "\uff21\uff4e\uff4e"])
async def test_names_are_unique_whatever_their_case(services: Services, name: str):
    await services.accounts.create_user("ann", PASSWORD)
    other = await services.accounts.create_user("Bob", PASSWORD)
    with pytest.raises(Conflict):
        await services.accounts.create_user(name, PASSWORD)
    with pytest.raises(Conflict):
        await services.accounts.update_user(other.id, name=name)
    await services.accounts.update_user(other.id, name="BOB")
    with pytest.raises(BadRequest):
        await services.accounts.create_user("\u200b", PASSWORD)


async def test_the_local_token_is_the_owner_and_lives_in_memory_only(services: Services):
    identity = await services.accounts.authenticate_bearer(services.accounts.local_token)
    assert identity.server_owner
    assert await services.accounts.is_still_valid(identity)
    assert await rows(services, KEYS) == []
    with pytest.raises(Unauthorized):
        await services.accounts.authenticate_bearer(services.accounts.local_token + "0")


@pytest.mark.parametrize("no_auth", [True, False])
async def test_ambient_identity_only_without_accounts(no_auth: bool):
    services = memory_services(settings=Settings(data_dir=Path("unused"), no_auth=no_auth))
    identity = await services.accounts.ambient_identity()
    assert (identity is not None and identity.server_owner) == no_auth


async def test_the_last_use_of_a_key_is_written_once_a_minute():
    services = memory_services()
    owner = await services.accounts.owner_identity()
    reach = await scope(owner, Action.READ, services.accounts)
    row, key = await services.accounts.keys.create(owner, reach, name="k", workspace_id=None, role=None)
    runtime = services.runtime

    async def used() -> float | None:
        await runtime.scheduler.settle()  # type: ignore[attr-defined]
        stored = await services.store.read(lambda tx: tx.get(KEYS, ALL, row.id))
        assert stored is not None
        return stored.last_used_at

    start = runtime.clock.now()
    await services.accounts.authenticate_bearer(key)
    assert await used() == start
    runtime.clock.pass_time(59)  # type: ignore[attr-defined]
    await services.accounts.authenticate_bearer(key)
    assert await used() == start
    runtime.clock.pass_time(1)  # type: ignore[attr-defined]
    await services.accounts.authenticate_bearer(key)
    assert await used() == start + 60


async def test_a_key_works_when_its_last_use_can_not_be_written():
    services = memory_services()
    owner = await services.accounts.owner_identity()
    reach = await scope(owner, Action.READ, services.accounts)
    _, key = await services.accounts.keys.create(owner, reach, name="k", workspace_id=None, role=None)

    async def full(*_: object) -> None:
        raise Conflict("The disk is full.")

    services.store.write = full  # type: ignore[method-assign]
    await services.accounts.authenticate_bearer(key)
    await services.runtime.scheduler.settle()  # type: ignore[attr-defined]


async def test_a_sign_in_that_began_before_the_password_changed_gives_nothing(services: Services):
    user = await services.accounts.create_user("Ann", PASSWORD)
    await services.accounts.update_user(user.id, password="a new password")
    with pytest.raises(Unauthorized):
        await services.accounts.start_login(UserId(user.id), password_hash=f"quick:{PASSWORD}")


async def test_a_revocation_is_told_also_when_its_caller_went_away():
    """The planted bug: without `to_the_end` the row is revoked and the cached identity lives on."""
    services = memory_services()
    user = await services.accounts.create_user("Ann", PASSWORD)
    _, cookie = await services.accounts.login("Ann", PASSWORD)
    identity = await services.accounts.authenticate_cookie(cookie)
    assert await services.accounts.is_still_valid(identity)  # now everything about it is remembered
    write, entered, release = services.store.write, asyncio.Event(), asyncio.Event()

    async def slow(work: Any, *more: Any) -> Any:
        result = await write(work, *more)
        entered.set()
        await release.wait()
        return result

    services.store.write = slow  # type: ignore[method-assign]
    caller = asyncio.create_task(services.accounts.update_user(user.id, suspended=True))
    await entered.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    release.set()
    await services.runtime.scheduler.settle()  # type: ignore[attr-defined]
    assert not await services.accounts.is_still_valid(identity)


async def test_users_are_listed_in_pages(services: Services):
    for number in range(5):
        services.runtime.clock.pass_time(1)  # type: ignore[attr-defined]
        await services.accounts.create_user(f"user {number}", PASSWORD)
    first = await services.accounts.list_users(after=None, limit=3)
    second = await services.accounts.list_users(after=(first[-1].created_at, first[-1].id), limit=3)
    assert [user.name for user in (*first, *second)] == [f"user {number}" for number in range(5)]
