"""Handlers of signing in and out, of the caller, of users and of socket tickets. Tests: tests/unit/commands/."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from antiphon.access.secrets import MAX_SECRET_CHARACTERS
from antiphon.commands.paging import page_of, place_of
from antiphon.commands.payloads.accounts import Login, MeUpdate, SignIn, UserCreate, UserUpdate, WsTicket
from antiphon.commands.payloads.fields import Nothing, Paged
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right
from antiphon.core.errors import Forbidden
from antiphon.library.accounts import folded_name, user_json
from antiphon.storage.records.rows import UserRow

_TOO_MANY_TRIES = "There were too many tries to sign in with this name. Wait a moment and try again."
COOKIE_FIELD = "cookie"
"""In the results of `login` and `sign_in`: the secret of the new cookie session. The HTTP edge takes it out of the body."""


async def login(call: Call[Services], payload: Login) -> Result:
    call.services.login_rate.take(folded_name(payload.name), _TOO_MANY_TRIES)
    user, secret = await call.services.accounts.login(payload.name, payload.password, replaces=call.identity)
    return _signed_in(user, secret)


async def sign_in(call: Call[Services], payload: SignIn) -> Result:
    user_id = call.services.sign_in_links.redeem(payload.token[:MAX_SECRET_CHARACTERS])
    secret = await call.services.accounts.start_login(user_id, replaces=call.identity)
    return _signed_in(await call.services.accounts.get_user(user_id), secret)


async def logout(call: Call[Services], payload: Nothing) -> Result:
    del payload
    return {"signed_out": await call.services.accounts.logout(call.caller)}


async def me(call: Call[Services], payload: Nothing) -> Result:
    del payload
    return await _me(call)


async def me_update(call: Call[Services], payload: MeUpdate) -> Result:
    caller = call.caller
    if caller.key_workspace is not None or caller.key_role is not None:
        raise Forbidden("This key is narrowed and can't change the account it belongs to.")
    if payload.password is not UNSET:
        await call.services.accounts.change_own_password(caller, current=payload.current_password, new=payload.password)
    if payload.name is not UNSET:
        await call.services.accounts.update_user(caller.user_id, name=payload.name)
    return await _me(call)


async def ws_ticket(call: Call[Services], payload: WsTicket) -> Result:
    tickets = call.services.tickets
    return {"ticket": tickets.issue(call.caller, origin=payload.origin), "expires_in_s": tickets.lifetime_s}


async def user_create(call: Call[Services], payload: UserCreate) -> Result:
    return user_json(await call.services.accounts.create_user(payload.name, payload.password))


async def user_list(call: Call[Services], payload: Paged) -> Result:
    rows = await call.services.accounts.list_users(after=place_of(payload.cursor, "users"), limit=payload.limit + 1)
    return page_of(rows, "users", limit=payload.limit, place=lambda row: (row.created_at, row.id), shape=user_json)


async def user_update(call: Call[Services], payload: UserUpdate) -> Result:
    given: dict[str, Any] = {"name": payload.name, "password": payload.password, "suspended": payload.suspended}
    changes = {field: value for field, value in given.items() if value is not UNSET}
    return user_json(await call.services.accounts.update_user(payload.user_id, **changes))


def _signed_in(user: UserRow, secret: str) -> Result:
    return {"user": {"id": user.id, "name": user.name}, COOKIE_FIELD: secret}


async def _me(call: Call[Services]) -> Result:
    caller = call.caller
    user = await call.services.accounts.get_user(caller.user_id)
    return {
        "id": user.id, "name": user.name, "server_owner": caller.server_owner, "has_password": user.password_hash is not None,
        "key_workspace": caller.key_workspace, "key_role": caller.key_role.label if caller.key_role is not None else None,
    }  # fmt: skip


COMMANDS: list[Command[Any, Services]] = [
    Command(verb="login", payload=Login, right=Right.ANONYMOUS, handler=login, summary="Signs in with name and password."),
    Command(verb="sign_in", payload=SignIn, right=Right.ANONYMOUS, handler=sign_in, summary="Signs in with a one-time link."),
    Command(verb="logout", payload=Nothing, right=Right.SIGNED_IN, handler=logout, summary="Ends the cookie session."),
    Command(verb="me", payload=Nothing, right=Right.SIGNED_IN, handler=me, summary="Tells who the caller is."),
    Command(verb="me_update", payload=MeUpdate, right=Right.SIGNED_IN, handler=me_update, summary="Changes own name or password."),
    Command(verb="ws_ticket", payload=WsTicket, right=Right.SIGNED_IN, handler=ws_ticket, summary="Makes a one-time socket ticket."),
    Command(verb="user_create", payload=UserCreate, right=Right.SERVER_OWNER, handler=user_create, summary="Adds a user."),
    Command(verb="user_list", payload=Paged, right=Right.SERVER_OWNER, handler=user_list, summary="Lists the users."),
    Command(
        verb="user_update", payload=UserUpdate, right=Right.SERVER_OWNER, handler=user_update,
        summary="Renames or suspends a user, or sets the password.",
    ),
]  # fmt: skip
