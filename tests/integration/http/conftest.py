"""A house of fakes behind the real application, served by a real uvicorn on a free port: what HTTP does by itself.

The real command table is behind the same routes in test_http_real_table.py.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import uvicorn

from antiphon.access.identity import Identity, Role
from antiphon.access.origins import Origins
from antiphon.commands.table import Command, CommandTable, Right
from antiphon.config.settings import Limits, Settings
from antiphon.core.errors import Conflict, ModelUnavailable, NotFound, RateLimited, TokenExpired, TooLarge, Unauthorized
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.core.runtime import system_runtime
from antiphon.protocol.commands import Payload
from antiphon.server.app import create_app
from antiphon.server.bindings import BINDINGS
from antiphon.server.http_protocol import http_protocol
from antiphon.server.metrics import Metrics
from antiphon.storage.blobs.contract import StoredBlob

KEYS = {"key-of-ann": "usr_ann", "key-of-bob": "usr_bob"}
COOKIES = {"cookie-of-ann": "usr_ann"}
ROLES: dict[str, dict[WorkspaceId, Role]] = {
    "usr_ann": {WorkspaceId("ws_1"): Role.OWNER},
    "usr_bob": {WorkspaceId("ws_1"): Role.VIEWER},
}


class FakeAccounts:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def authenticate_bearer(self, token: str, /) -> Identity:
        return self._known(KEYS.get(token))

    async def authenticate_cookie(self, value: str, /) -> Identity:
        if value == "expired":
            raise TokenExpired("Expired.")
        return self._known(COOKIES.get(value))

    async def ambient_identity(self) -> Identity | None:
        return self._known("usr_ann") if self._settings.no_auth else None

    async def roles_of(self, user_id: UserId, /) -> Mapping[WorkspaceId, Role]:
        return ROLES[user_id]

    def _known(self, user_id: str | None) -> Identity:
        if user_id is None:
            raise Unauthorized("Not valid.")
        return Identity(user_id=UserId(user_id), name=user_id[4:], credential="x", server_owner=user_id == "usr_ann")


class FakeBlobs:
    """Keeps what was put; `most` is the largest piece it was handed."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.most = 0
        self.began = asyncio.Event()

    async def put(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> StoredBlob:
        whole = bytearray()
        self.began.set()
        async for chunk in chunks:
            self.most = max(self.most, len(chunk))
            whole += chunk
            if max_bytes and len(whole) > max_bytes:
                raise TooLarge(f"The file is larger than {max_bytes} bytes.")
        sha256 = hashlib.sha256(whole).hexdigest()
        self.kept[sha256] = bytes(whole)
        return StoredBlob(sha256=sha256, size_bytes=len(whole))

    async def open(self, sha256: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        content = self.kept[sha256][start:end]
        for at in range(0, len(content), 1000):
            yield content[at : at + 1000]

    async def size(self, sha256: str) -> int | None:
        return len(self.kept[sha256]) if sha256 in self.kept else None

    async def remove(self, sha256: str) -> bool:
        return self.kept.pop(sha256, None) is not None

    async def list(self) -> list[str]:
        return list(self.kept)

    def local_path(self, sha256: str) -> Path:
        raise NotFound(sha256)


class RecordingLog:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def _keep(self, event: str, /, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})

    debug = info = warning = exception = _keep


class FakeHouse:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.runtime = system_runtime()
        self.accounts = FakeAccounts(settings)
        self.blobs = FakeBlobs()
        self.metrics = Metrics()
        self.log = RecordingLog()
        self.reasons: list[str] = []
        self.released: list[str] = []
        self.gate: list[tuple[str, int, int]] = []
        self.origins = Origins(host="127.0.0.1", port=1)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.commands: CommandTable[FakeHouse] = CommandTable(fake_commands(), services=self, memberships=self.accounts)
        self.url = ""

    @asynccontextmanager
    async def uploading(self) -> AsyncGenerator[None]:
        self.gate.append(("shut", len(self.blobs.kept), len(self.calls)))
        try:
            yield
        finally:
            self.gate.append(("open", len(self.blobs.kept), len(self.calls)))

    def health_reasons(self) -> Sequence[str]:
        return self.reasons

    async def release_blobs(self, sha256s: Sequence[str], /) -> None:
        self.released.extend(sha256s)
        for sha256 in sha256s:
            await self.blobs.remove(sha256)


class Login(Payload):
    name: str
    password: str


class Named(Payload):
    name: str


class Search(Payload):
    workspace_id: str
    query: str
    k: int = 6
    tags: list[str] | None = None


class DocumentAdd(Payload):
    workspace_id: str
    files: list[dict[str, Any]]
    path: str = ""
    tags: list[str] = []


class DocumentList(Payload):
    workspace_id: str
    q: str | None = None
    limit: int = 50
    state: list[str] | None = None
    searchable: bool | None = None


class Ticket(Payload):
    origin: str | None = None


class ChatMessage(Payload):
    content: str


_FAILURES = {
    "conflict": Conflict("Taken."), "rate": RateLimited("Slow down.", data={"retry_after_ms": 2500}),
    "model": ModelUnavailable("Not reachable."), "boom": RuntimeError("a secret in the text of a defect"),
}  # fmt: skip


async def echo(call: Any, payload: Payload) -> dict[str, Any]:
    fields = msgspec.to_builtins(payload)
    call.services.calls.append((type(payload).__name__, fields))
    name = fields.get("name")
    if isinstance(name, str) and name in _FAILURES:
        raise _FAILURES[name]
    return {"fields": fields, "user": call.identity.user_id if call.identity else None}


async def login(call: Any, payload: Login) -> dict[str, Any]:
    if payload.password != "right":
        raise Unauthorized("The name or the password is wrong.")
    return {"user": {"id": "usr_ann", "name": "ann"}, "cookie": "cookie-of-ann"}


async def add(call: Any, payload: DocumentAdd) -> dict[str, Any]:
    call.services.calls.append(("document_add", msgspec.to_builtins(payload)))
    if payload.path == "refused":
        raise Conflict("Refused.")
    return {"documents": [{"id": f"doc_{n}", "name": f["name"], "state": "queued"} for n, f in enumerate(payload.files)]}


async def original(call: Any, payload: Any) -> dict[str, Any]:
    sha256 = next(iter(call.services.blobs.kept))
    return {"sha256": sha256, "name": 'h"and\r\nbuch 手册.pdf', "media_type": "text/html"}


async def image(call: Any, payload: Any) -> dict[str, Any]:
    return {"png": b"\x89PNG\r\n\x1a\n"}


async def export(call: Any, payload: Any) -> dict[str, Any]:
    return {"name": "talk.md", "media_type": "text/markdown; charset=utf-8", "content": "# 你好\n"}


_PAYLOADS: dict[str, type[Payload]] = {
    "login": Login, "ws_ticket": Ticket, "workspace_create": Named, "search": Search, "document_add": DocumentAdd, "document_list": DocumentList,
}  # fmt: skip
_HANDLERS = {
    "login": login, "document_add": add, "document_original": original, "document_page_image": image, "session_export": export,
}  # fmt: skip
_RIGHTS = {"login": Right.ANONYMOUS, "sign_in": Right.ANONYMOUS, "document_add": Right.EDITOR, "user_create": Right.SERVER_OWNER}


def fake_commands() -> list[Command[Any, Any]]:
    commands: list[Command[Any, Any]] = []
    for binding in BINDINGS:
        if binding.verb is None:
            continue
        in_path = [(part[1:-1], str) for part in binding.path.split("/") if part.startswith("{")]
        payload = _PAYLOADS.get(binding.verb) or msgspec.defstruct(
            "".join(word.title() for word in binding.verb.split("_")), in_path, bases=(Payload,), kw_only=True
        )
        commands.append(
            Command(
                verb=binding.verb, payload=payload, right=_RIGHTS.get(binding.verb, Right.SIGNED_IN),
                handler=_HANDLERS.get(binding.verb, echo), summary=f"Does {binding.verb}.",
            )
        )  # fmt: skip
    chat = Command(verb="chat_message", payload=ChatMessage, right=Right.SIGNED_IN, handler=echo, summary="Asks.", socket=True)
    return [*commands, chat]


async def serve(house: Any, *, head_patience_s: float = 10.0) -> AsyncIterator[Any]:
    config = uvicorn.Config(
        create_app(house, socket_routes=[], uploading=house.uploading), host="127.0.0.1", port=0, http=http_protocol(head_patience_s=head_patience_s),
        lifespan="off", log_config=None, access_log=False, ws="none", server_header=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()  # without uvicorn's main loop, which notices the end only every 100 ms
    port = server.servers[0].sockets[0].getsockname()[1]
    house.url, house.origins = f"http://127.0.0.1:{port}", Origins(host="127.0.0.1", port=port)
    try:
        yield house
    finally:
        await server.shutdown()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, limits=Limits(upload_bytes=300_000))


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[FakeHouse]:
    async for served in serve(FakeHouse(settings)):
        yield served


@pytest.fixture
async def open_house(settings: Settings) -> AsyncIterator[FakeHouse]:
    """Under `--no-auth`."""
    async for served in serve(FakeHouse(settings.model_copy(update={"no_auth": True}))):
        yield served


@pytest.fixture
async def hasty_house(settings: Settings) -> AsyncIterator[FakeHouse]:
    """Waits for a head no longer than 0.2 s."""
    async for served in serve(FakeHouse(settings), head_patience_s=0.2):
        yield served


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Keeps no cookies; what is sent is said in the test."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session:
        yield session


@pytest.fixture
def ann() -> dict[str, str]:
    return {"Authorization": "Bearer key-of-ann"}


@pytest.fixture
def bob() -> dict[str, str]:
    """A viewer."""
    return {"Authorization": "Bearer key-of-bob"}
