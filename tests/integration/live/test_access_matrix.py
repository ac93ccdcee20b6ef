"""Every route and every socket command, by every kind of caller, on every kind of object (security.md, "The access matrix").

The house is served by uvicorn in this process, so that worlds can be seeded and authorisation calls taken out: each one
that is missing must turn the matrix red.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import uvicorn
from sqlalchemy import true
from starlette.routing import Route, WebSocketRoute

from antiphon.access import passwords
from antiphon.access.identity import Role
from antiphon.access.scope import Scope, system_scope
from antiphon.commands import table as command_table
from antiphon.commands.catalogue import all_commands
from antiphon.commands.handlers import asking
from antiphon.commands.table import CommandTable
from antiphon.commands.topics import Topics, parse_topic
from antiphon.config.settings import Limits, Settings
from antiphon.library.accounts import Accounts
from antiphon.server.bindings import API, BINDINGS, SOCKET_ONLY, WITHIN_SOCKETS, Binding
from antiphon.server.composition import NODE_STREAM_PATHS, SIMPLE_CHAT_PATHS, House
from antiphon.server.http_protocol import http_protocol
from antiphon.storage.records import statements
from antiphon.testing.access import EXPECTED, Actor, Target
from antiphon.testing.access_edges import REFUSALS, HttpEdge, SocketEdge, Told, at_the_edge, headers_of, may_subscribe
from antiphon.testing.access_world import CANARY, World
from antiphon.testing.raw_socket import RawSocket
from antiphon.transports.uvicorn_websocket import WireWebSocketProtocol

pytestmark = pytest.mark.asyncio(loop_scope="module")
SOCKET_VERBS = sorted(command.verb for command in all_commands() if command.socket)
FOLLOWING = ("/stream", "/poll")
KINDS = ("session", "run", "workspace", "user")
SPENT = {  # after success the world is another one
    "sign_in", "logout", "login", "user_update", "key_delete", "workspace_delete", "workspace_update", "member_put", "member_delete", "document_delete", "document_retry",
    "document_cancel", "session_delete", "session_update", "me_update", "chat_message", "stop", "run_stop", "crawl_cancel", "watch_delete",
    "watch_sync", "provider_delete", "queue_send", "regenerate", "edit_message",
}  # fmt: skip


class _PlainHasher:
    """Passwords are not under test, and argon2 would cost more than everything else."""

    def hash(self, password: str) -> str:
        return f"plain {password}"

    def verify(self, password: str, hash: str) -> bool:  # noqa: A002
        return hash == f"plain {password}"


class Site:
    """A served house, and fresh worlds in it."""

    def __init__(self, house: House, url: str, session: aiohttp.ClientSession) -> None:
        self.house, self.url, self.session = house, url, session
        self.asked = 0

    async def world(self) -> World:
        return await World.seed(self.house.services)

    # --- the matrix -------------------------------------------------------------------------------------------------------

    async def http_differences(self, binding: Binding, *, first_only: bool = False) -> list[str]:
        assert binding.verb is not None
        return await self._differences(
            f"{binding.method} {binding.path}",
            binding.verb,
            lambda world, actor, target: HttpEdge(self.session, self.url, world).ask(binding, actor, target),
            first_only,
        )

    async def command_differences(self, verb: str, *, first_only: bool = False) -> list[str]:
        return await self._differences(
            f"POST /commands {verb}",
            verb,
            lambda world, actor, target: HttpEdge(self.session, self.url, world).command(verb, actor, target),
            first_only,
        )

    async def _differences(self, name: str, verb: str, ask: Callable[[World, Actor, Target], Any], first_only: bool) -> list[str]:
        found: list[str] = []
        alike: defaultdict[Actor, dict[Target, Told]] = defaultdict(dict)
        world = await self.world()
        for actor in Actor:
            for target in targets_of(verb):
                self.asked += 1
                told: Told = await ask(world, actor, target)
                found += compared(name, actor, target, told, at_the_edge(verb, actor, target))
                alike[actor][target] = told
                if told.outcome == "ok" and verb in SPENT:
                    world = await self.world()
                if found and first_only:
                    return found
        return found + unlike(name, alike)

    async def socket_differences(self, *, first_only: bool = False) -> list[str]:
        """One socket for each actor, everything on it."""
        found: list[str] = []
        for actor in Actor:
            world = await self.world()
            alike: defaultdict[str, dict[Target, Told]] = defaultdict(dict)
            async with SocketEdge.opened(self.url, world, actor) as edge:
                for name, verb, target, wanted in socket_cases(actor):
                    self.asked += 1
                    told = await (edge.subscribe(name, target) if verb is None else edge.command(verb, target))
                    wanted = "unauthorized" if wanted == "token_expired" else wanted  # 4001 at the handshake
                    found += compared(f"socket {verb or 'subscribe'} {name}", actor, target, told, wanted)
                    alike[f"{verb} {name}"][target] = told
                    if found and first_only:
                        return found
            for name, answers in alike.items():
                found += unlike(f"socket {name}", {actor: answers})
        return found

    async def following_differences(self, path: str) -> list[str]:
        """Topics over SSE or long-poll: the same rights as over the socket."""
        found: list[str] = []
        world = await self.world()
        for actor in Actor:
            for kind in KINDS:
                answers: dict[Target, Told] = {}
                for target in Target:
                    self.asked += 1
                    told = await HttpEdge(self.session, self.url, world).follow(path, kind, actor, target)
                    found += compared(f"{path} {kind}", actor, target, told, may_subscribe(kind, actor, target))
                    answers[target] = told
                found += unlike(f"{path} {kind}", {actor: answers})
        return found


def socket_cases(actor: Actor) -> list[tuple[str, str | None, Target, str]]:
    subscribing = [(kind, None, target, may_subscribe(kind, actor, target)) for kind in KINDS for target in Target]
    commands = [(verb, verb, target, at_the_edge(verb, actor, target)) for verb in SOCKET_VERBS for target in Target]
    return subscribing + commands


def targets_of(verb: str) -> list[Target]:
    rule = EXPECTED[verb]
    if not rule.named:
        return [Target.OWN]
    return [target for target in Target if rule.session or target is not Target.PRIVATE]


def compared(name: str, actor: Actor, target: Target, told: Told, wanted: str) -> list[str]:
    found = [] if told.outcome == wanted else [f"{name} by {actor.value} on {target.value}: {told.outcome}, expected {wanted}"]
    if told.outcome in REFUSALS and CANARY in told.text:
        found.append(f"{name} by {actor.value} on {target.value} tells of what it refuses: {told.text}")
    return found


def unlike(name: str, alike: dict[Actor, dict[Target, Told]]) -> list[str]:
    """Foreign and deleted objects answer as those that never were, byte for byte but the ids."""
    found = []
    for actor, answers in alike.items():
        missing = answers.get(Target.RANDOM)
        for target in (Target.FOREIGN, Target.DELETED, Target.PRIVATE):
            answer = answers.get(target)
            if missing is not None and answer is not None and answer.outcome == "not_found" and answer != missing:
                found.append(f"{name} by {actor.value}: {target.value} answers {answer.text}, a random id {missing.text}")
    return found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "recommended_hasher", _PlainHasher)
        limits = Limits(messages_per_minute=0, connections_per_user=0)
        house = await House.open(Settings(data_dir=tmp_path_factory.mktemp("matrix"), sample=False, port=0, limits=limits))
        config = uvicorn.Config(
            house.app,
            host="127.0.0.1",
            port=0,
            http=http_protocol(),
            ws=WireWebSocketProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        house.bound_to("127.0.0.1", port)
        async with aiohttp.ClientSession() as session:
            yield Site(house, f"http://127.0.0.1:{port}", session)
        await house.hub.stop()
        await server.shutdown()
        await house.close()


# --- nothing is left out --------------------------------------------------------------------------------------------------------


async def test_every_route_and_verb_is_in_the_matrix(site: Site) -> None:
    bound = {binding.verb for binding in BINDINGS if binding.verb is not None}
    verbs = {command.verb for command in all_commands()}
    assert bound | set(SOCKET_VERBS) | WITHIN_SOCKETS == set(EXPECTED) == verbs
    assert set(SOCKET_VERBS) <= SOCKET_ONLY
    served = {
        (method, route.path) for route in site.house.app.routes if isinstance(route, Route) for method in route.methods or ()
    }
    served = {(method, path) for method, path in served if method != "HEAD"}
    api = {(method, path.removeprefix(API)) for method, path in served if path.startswith(API + "/")}
    described = {("GET", path) for path in ("/healthz", "/metrics", "/openapi.json", "/", "/sign-in")}
    assert api == {(binding.method, binding.path) for binding in BINDINGS} | {("GET", path) for path in FOLLOWING}
    others = {(method, path) for method, path in served if not path.startswith(API + "/")}
    assert described <= others
    assert {method for method, _ in others} == {"GET"}, "nothing outside the API changes anything"
    sockets = {route.path for route in site.house.app.routes if isinstance(route, WebSocketRoute)}
    assert sockets == {"/ws/v1", *SIMPLE_CHAT_PATHS, *NODE_STREAM_PATHS}
    assert len(site.house.app.routes) == len([r for r in site.house.app.routes if isinstance(r, Route | WebSocketRoute)]), (
        "no mounts"
    )


@pytest.mark.parametrize("binding", [b for b in BINDINGS if b.verb is not None], ids=lambda b: f"{b.method} {b.path}")
async def test_rest(site: Site, binding: Binding) -> None:
    assert await site.http_differences(binding) == []


@pytest.mark.parametrize("verb", SOCKET_VERBS)
async def test_post_commands(site: Site, verb: str) -> None:
    assert await site.command_differences(verb) == []


@pytest.mark.parametrize("path", FOLLOWING)
async def test_following(site: Site, path: str) -> None:
    assert await site.following_differences(path) == []


async def test_sockets(site: Site) -> None:
    assert await site.socket_differences() == []
    print(f"{site.asked} requests and commands so far")


@pytest.mark.parametrize("verb", sorted(set(EXPECTED) - set(SOCKET_VERBS)))
async def test_what_is_no_socket_command_is_none(site: Site, verb: str) -> None:
    world = await site.world()
    fields = EXPECTED[verb].fields(world.objects["own"])
    async with RawSocket(site.url, key=world.actors["server_owner"].bearer) as client:
        assert (await client.command(verb, **fields))["error"]["code"] in {"unsupported", "unknown_type"}
    frame = {"type": verb, "id": "x", **fields}
    async with site.session.post(
        f"{site.url}{API}/commands", json=frame, headers=headers_of(world.actors["server_owner"], site.url)
    ) as answer:
        assert (await answer.json())["error"]["code"] in {"unsupported", "unknown_type"}


@pytest.mark.parametrize("path", ["/ws/chat", "/ws/conversation", "/api/v1/chat/stream"])
async def test_simple_profile(site: Site, path: str) -> None:
    """The session and the workspace of the address."""
    found = []
    world = await site.world()
    for actor in Actor:
        for target in Target:
            objects = world.objects[target.value]
            for query, verb in (
                (f"session_id={objects.session_id}", "session_get"),
                (f"workspace={objects.workspace_id}", "workspace_get"),
            ):
                wanted = at_the_edge(verb, actor, target)
                wanted = "unauthorized" if wanted == "token_expired" else wanted
                async with RawSocket(
                    site.url,
                    key=None,
                    path=f"{path}?format=json&history=all&{query}",
                    headers=headers_of(world.actors[actor.value], site.url),
                ) as client:
                    await client.socket.send_str('{"query":" "}' if verb == "session_get" else '{"query":"anything?"}')
                    frame = await client.receive()
                got = simple_outcome(frame, client.close_code)
                if got != wanted:
                    found.append(f"{path}?{query} by {actor.value} on {target.value}: {got}, expected {wanted}")
                if got != "ok" and CANARY in "".join(client.raw):
                    found.append(f"{path} by {actor.value} on {target.value} tells {client.raw}")
    assert found == []


def simple_outcome(frame: dict[str, Any] | None, close_code: int | None) -> str:
    """A session that is out of reach closes at once; a workspace is looked for with the first question."""
    if frame is None:
        return {4001: "unauthorized", 4000: "not_found"}.get(close_code or 0, f"closed with {close_code}")
    return frame["code"] if frame["type"] == "error" and frame["code"] in REFUSALS else "ok"


# --- the matrix itself is tested: take out each authorisation in turn -----------------------------------------------------------


def no_admission(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CommandTable, "admit", lambda self, verb, identity: self[verb])


def no_demand(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scope, "demand", lambda self, workspace_id: None)


def no_topic_rights(patch: pytest.MonkeyPatch) -> None:
    async def authorise(self: Topics, identity: Any, text: str) -> Any:
        return parse_topic(text), system_scope("a mutation")

    patch.setattr(Topics, "authorise", authorise)


def forget_statements() -> None:
    for value in vars(statements).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def nothing_hidden(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(statements, "_visible", lambda table, bounded: true())
    forget_statements()


def nothing_forbidden(patch: pytest.MonkeyPatch) -> None:
    """Handlers demand the role, and storage looks again before it writes: either alone holds, so both are taken out."""
    no_demand(patch)
    patch.setattr(statements, "_permitted", lambda table: true())
    forget_statements()


def anybody_stops(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(asking, "Role", SimpleNamespace(VIEWER=Role.VIEWER, EDITOR=Role.VIEWER))


def private_is_shared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(statements, "_session_visible", lambda session: session.c.workspace_id.in_(statements._elements("visible")))
    forget_statements()


def whole_scope(patch: pytest.MonkeyPatch) -> None:
    async def everything(*_: Any) -> Scope:
        return system_scope("a mutation")

    patch.setattr(command_table, "scope", everything)


def wide_keys(patch: pytest.MonkeyPatch) -> None:
    """A narrowed key counts as its user."""
    original = Accounts._identity_of_key

    async def widened(self: Accounts, row: Any) -> Any:
        identity = await original(self, row)
        return type(identity)(
            user_id=identity.user_id, name=identity.name, credential=identity.credential, server_owner=identity.server_owner
        )

    patch.setattr(Accounts, "_identity_of_key", widened)


def anybody_with_a_bearer(patch: pytest.MonkeyPatch) -> None:
    """Revoked, suspended: all the same."""

    async def anyone(self: Accounts, token: str, /) -> Any:
        return await self.owner_identity()

    patch.setattr(Accounts, "authenticate_bearer", anyone)


def no_expiry(patch: pytest.MonkeyPatch) -> None:
    async def forever(self: Accounts, value: str, /) -> Any:
        return await self.owner_identity()

    patch.setattr(Accounts, "authenticate_cookie", forever)


MUTATIONS: list[tuple[Callable[[pytest.MonkeyPatch], None], str]] = [
    (no_admission, "user_list"), (no_demand, "document_add"), (no_demand, "member_put"), (no_topic_rights, "socket"), (nothing_hidden, "document_get"),
    (nothing_hidden, "socket"), (nothing_hidden, "session_get"), (nothing_forbidden, "workspace_update"), (nothing_forbidden, "workspace_delete"),
    (nothing_forbidden, "member_delete"), (nothing_forbidden, "document_delete"), (nothing_forbidden, "document_cancel"), (anybody_stops, "run_stop"),
    (anybody_stops, "stop"), (anybody_stops, "socket"), (private_is_shared, "session_get"), (whole_scope, "workspace_get"), (whole_scope, "chat_message"),
    (wide_keys, "me_update"), (wide_keys, "document_delete"), (anybody_with_a_bearer, "me"), (no_expiry, "me"),
]  # fmt: skip


@pytest.mark.parametrize(("mutation", "where"), MUTATIONS, ids=lambda value: value if isinstance(value, str) else value.__name__)
async def test_a_missing_check_turns_the_matrix_red(
    site: Site, mutation: Callable[[pytest.MonkeyPatch], None], where: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        mutation(patch)
        try:
            if where == "socket":
                red = await site.socket_differences(first_only=True)
            elif where in SOCKET_VERBS:
                red = await site.command_differences(where, first_only=True)
            else:
                red = await site.http_differences(next(b for b in BINDINGS if b.verb == where), first_only=True)
        finally:
            forget_statements()
    print(red[:1])
    assert red
