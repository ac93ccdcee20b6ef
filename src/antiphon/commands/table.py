"""The command table. `CommandTable.execute` is the only way in: it checks the payload, the right, then runs the handler.

Handlers live in commands/handlers/*.py, one module per room they call, and are put together in commands/catalogue.py. The
table generates the access matrix (tests/integration/live/test_access_matrix.py), AsyncAPI and the bodies in OpenAPI.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from antiphon.access.identity import Identity
from antiphon.access.scope import Action, Memberships, Scope, scope
from antiphon.core.errors import BadRequest, Forbidden, Unauthorized, UnknownType
from antiphon.protocol.commands import Payload

P = TypeVar("P", bound=Payload)
S = TypeVar("S")
Result = dict[str, Any]


class Right(Enum):
    """What a verb needs. The workspace rights are checked on the object by storage, through the scope's action."""

    ANONYMOUS = "anonymous"
    SIGNED_IN = "signed_in"
    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"
    SERVER_OWNER = "server_owner"


_ACTIONS = {
    Right.SIGNED_IN: Action.READ, Right.VIEWER: Action.READ, Right.EDITOR: Action.WRITE, Right.OWNER: Action.MANAGE,
    Right.SERVER_OWNER: Action.MANAGE,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Generic[S]):
    """One call of a handler. `scope` is for the verb's action; `command_id` is the client's idempotency key, if any.
    `services` is the `Services` of commands/services.py. `identity` is None for ANONYMOUS verbs without credentials."""

    identity: Identity | None
    scope: Scope | None
    services: S
    command_id: str | None
    request_id: str
    after: list[Callable[[], None]]

    def after_ack(self, callback: Callable[[], None]) -> None:
        """`callback` runs right after the caller was answered: what a command causes comes behind its ack."""
        self.after.append(callback)

    @property
    def caller(self) -> Identity:
        if self.identity is None:
            raise Unauthorized("Sign in first, or send `Authorization: Bearer KEY`.")
        return self.identity

    @property
    def reach(self) -> Scope:
        if self.scope is None:
            raise Unauthorized("Sign in first, or send `Authorization: Bearer KEY`.")
        return self.scope


@dataclass(frozen=True, kw_only=True, slots=True)
class Command(Generic[P, S]):
    """`socket`: also a command frame of the realtime protocol (and of POST /commands). `summary`: one sentence."""

    verb: str
    payload: type[P]
    right: Right
    handler: Callable[[Call[S], P], Awaitable[Result]]
    summary: str
    socket: bool = False


class Credentials(Protocol):
    """`library.accounts.Accounts`, as the table sees it."""

    async def demand_valid(self, identity: Identity, /) -> None:
        """Raises Unauthorized or TokenExpired when what the caller came with is not good any more."""
        ...


class CommandTable(Generic[S]):
    """`credentials`: asked before every call, because sockets keep an identity for hours. None: nothing can be revoked
    (tests of the table itself)."""

    def __init__(
        self, commands: list[Command[Any, S]], *, services: S, memberships: Memberships, credentials: Credentials | None = None
    ) -> None:
        self._commands = {command.verb: command for command in commands}
        if len(self._commands) != len(commands):
            raise ValueError("A verb is in the table twice.")
        self._services = services
        self._memberships = memberships
        self._credentials = credentials

    def __iter__(self) -> Iterator[Command[Any, S]]:
        return iter(self._commands.values())

    def __getitem__(self, verb: str) -> Command[Any, S]:
        try:
            return self._commands[verb]
        except KeyError:
            raise UnknownType(f"No command {verb[:80]!r} here.") from None

    async def execute(
        self, verb: str, fields: dict[str, Any], *, identity: Identity | None, request_id: str, command_id: str | None = None,
        after: list[Callable[[], None]] | None = None,
    ) -> Result:  # fmt: skip
        """Raises UnknownType, BadRequest (payload), Unauthorized, Forbidden, and what the handler raises.

        `after`: the caller runs what is in it once it has sent the answer, also when the peer is gone by then. Without
        it that is done here, before the result is returned."""
        deferred: list[Callable[[], None]] = [] if after is None else after
        result = await self._handle(verb, fields, identity, request_id, command_id, deferred)
        if after is None:
            for callback in deferred:
                callback()
        return result

    async def _handle(
        self, verb: str, fields: dict[str, Any], identity: Identity | None, request_id: str, command_id: str | None,
        after: list[Callable[[], None]],
    ) -> Result:  # fmt: skip
        command = self.admit(verb, identity)
        try:
            payload = msgspec.convert(fields, command.payload)
        except (msgspec.ValidationError, RecursionError) as error:
            raise BadRequest(f"{verb}: {error}.") from None
        reach = await self.reach(verb, identity)
        call = Call(
            identity=identity, scope=reach, services=self._services, command_id=command_id, request_id=request_id, after=after
        )  # fmt: skip
        return await command.handler(call, payload)

    def admit(self, verb: str, identity: Identity | None) -> Command[Any, S]:
        """The command, if a caller of this kind may try it at all: what can be refused before a body is read.

        Raises UnknownType, Unauthorized, Forbidden, as `execute` would."""
        command = self[verb]
        if identity is None and command.right is not Right.ANONYMOUS:
            raise Unauthorized("Sign in first, or send `Authorization: Bearer KEY`.")
        if command.right is Right.SERVER_OWNER and not (identity and identity.server_owner):
            raise Forbidden("Only the owner of this server may do that.")
        return command

    async def reach(self, verb: str, identity: Identity | None) -> Scope | None:
        """The scope that `execute` gives the handler; None for ANONYMOUS verbs."""
        right = self[verb].right
        if identity is None or right is Right.ANONYMOUS:
            return None
        if self._credentials is not None:
            await self._credentials.demand_valid(identity)
        return await scope(identity, _ACTIONS[right], self._memberships)
