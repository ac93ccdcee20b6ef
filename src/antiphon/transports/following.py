"""What SSE and long-poll share: topics, cursor and filter out of the request, admission, and the subscriptions behind it.

Query: `topics` (comma separated or repeated), `cursor` (or the header `Last-Event-ID`), `types`, `nodes`. Credentials as the
`RequestGate` takes them. Used by event_stream.py and long_poll.py. Tests: tests/integration/live/test_event_stream.py,
test_long_poll.py, tests/unit/transports/test_following.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from starlette.requests import Request

from antiphon.access.identity import Identity
from antiphon.access.scope import Scope
from antiphon.core.errors import AntiphonError, BadRequest, QuotaExceeded, RateLimited, ShuttingDown
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.codec import encode_ephemeral
from antiphon.protocol.commands import SubscribeFilter
from antiphon.protocol.events import Close, Unsubscribed, Welcome
from antiphon.protocol.topics import Topic
from antiphon.transports.connection import Connection
from antiphon.transports.cursor import Cursor
from antiphon.transports.filters import EntryFilter, entry_filter
from antiphon.transports.handshake import RequestGate
from antiphon.transports.sinks import FrameSink
from antiphon.transports.socket_session import SocketHouse
from antiphon.transports.subscription import Subscription, SubscriptionState

_log = structlog.get_logger(__name__)
FEATURES = ["replay", "snapshot", "history", "stop", "filter"]
OVERLOAD_RETRY_MS = 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class Following:
    """One request to follow topics, allowed. `gone`: topics that are missing or out of reach, with what is to be told."""

    identity: Identity
    topics: dict[str, tuple[Topic, Scope]]
    gone: dict[str, AntiphonError]
    cursor: Cursor
    filter: EntryFilter | None
    resumes: bool


async def read_request(house: SocketHouse, gate: RequestGate, request: Request) -> Following:
    """Raises Forbidden, Unauthorized, BadRequest, QuotaExceeded, and NotFound when none of the topics can be followed."""
    identity = await gate.identify_request(request)
    names = _listed(request, "topics")
    if not names:
        raise BadRequest("Say what to follow: `?topics=session:ID`, several with commas.")
    if house.max_subscriptions and len(names) > house.max_subscriptions:
        raise QuotaExceeded(f"A connection may follow {house.max_subscriptions} topics.")
    cursor = Cursor.parse(request.headers.get("last-event-id") or request.query_params.get("cursor"))
    types, nodes = _listed(request, "types"), _listed(request, "nodes")
    wanted = entry_filter(SubscribeFilter(types=types or None, nodes=nodes or None))
    topics: dict[str, tuple[Topic, Scope]] = {}
    gone: dict[str, AntiphonError] = {}
    for name in dict.fromkeys(names):
        try:
            topics[name] = await house.topics.authorise(identity, name)
        except AntiphonError as error:
            gone[name] = error
    if not topics:
        raise next(iter(gone.values()))
    resumes = any(cursor.since(name) is not None for name in topics)
    cursor.keep(topics)
    return Following(identity=identity, topics=topics, gone=gone, cursor=cursor, filter=wanted, resumes=resumes)


def open_connection(house: SocketHouse, following: Following, sink: FrameSink, *, kind: str) -> Connection:
    """Counts it to its user. Raises ShuttingDown, RateLimited (the server is full) and QuotaExceeded (the user's share is)."""
    connection = house.hub.open(sink, kind=kind)
    refusal = house.hub.refusal()
    if refusal is not None:
        house.hub.forget(connection)
        code, sentence = refusal
        if code is CloseCode.DRAINING:
            raise ShuttingDown(sentence, data={"close_code": int(code), "retry_after_ms": OVERLOAD_RETRY_MS})
        raise RateLimited(sentence, data={"close_code": int(code), "retry_after_ms": OVERLOAD_RETRY_MS})
    if not house.hub.admit(connection, following.identity):
        house.hub.forget(connection)
        raise QuotaExceeded(
            "You have as many open connections as allowed. Close one, then try again.",
            data={"close_code": int(CloseCode.CONNECTION_LIMIT)},
        )
    return connection


async def start_guarded(house: SocketHouse, following: Following, connection: Connection) -> None:
    """`start_subscriptions` as a task of its own."""
    try:
        await start_subscriptions(house, following, connection)
    except Exception as error:  # noqa: BLE001 - the task boundary: it becomes the end of the connection and a line in the log
        _log.error("following_failed", connection_id=connection.id, exc_info=error)
        await connection.close(CloseCode.INSUFFICIENT_STATE, "The state could not be built. Connect again.")


async def start_subscriptions(house: SocketHouse, following: Following, connection: Connection) -> None:
    """From the cursor on, one after the other; what can't be followed is told with `unsubscribed`."""
    for name, error in following.gone.items():
        connection.push_event(Unsubscribed(topic=name, code=error.code, reason=error.message))
    for name, (topic, reach) in following.topics.items():
        if connection.closing:
            return
        since = following.cursor.since(name)
        subscription = Subscription(
            name, log=house.hub.log, outlet=connection, limits=house.replay, filter=following.filter,
            snapshot=lambda topic=topic, reach=reach: house.topics.snapshot(topic, reach),
        )  # fmt: skip
        connection.subscriptions[name] = subscription
        try:
            mode = await subscription.start(since)
        except AntiphonError as error:  # it went away meanwhile
            connection.end_subscription(name)
            connection.push_event(Unsubscribed(topic=name, code=error.code, reason=error.message))
            continue
        if since is not None:
            house.count_resume(mode)
        if subscription.state is SubscriptionState.BEHIND:
            await connection.catch_up()


def welcome(house: SocketHouse, connection: Connection, identity: Identity) -> Welcome:
    return Welcome(
        connection_id=connection.id,
        user={"id": identity.user_id, "name": identity.name},
        limits={"frame_bytes": house.frame_bytes, "subscriptions": house.max_subscriptions, "history": 300},
        heartbeat_ms=house.heartbeat_ms,
        features=FEATURES,
    )


def closing_frame(code: int, reason: str, runtime: Runtime) -> bytes:
    """SSE and long-poll have no close codes: the same numbers come in a last frame of type `close`."""
    return encode_ephemeral(Close(code=int(code), reason=reason), rfc3339(runtime.clock.now()))


def _listed(request: Request, name: str) -> list[str]:
    """A parameter given several times, or once with commas."""
    return [part for text in request.query_params.getlist(name) for part in text.split(",") if part]
