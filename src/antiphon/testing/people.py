"""`Person`: a user of a real server process with a cookie session and a key of their own, and the raw calls they make.

For integration tests against `ServerProcess`. Tests: tests/integration/live/.
"""

from __future__ import annotations

import itertools
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.testing.server_process import OWNER_KEY, ServerProcess

PASSWORD = "correct horse battery staple"  # noqa: S105 - of a test's user
_numbers = itertools.count(1)


class Answer(Struct, frozen=True):
    """An HTTP answer, whatever its status."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        """Of the error; `ok` below status 400."""
        return str(self.body["error"]["code"]) if self.status >= 400 else "ok"


def ask(server: ServerProcess, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request below /api/v1; never raises for a status."""
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        f"{server.url}/api/v1{path}", None if body is None else msgspec.json.encode(body), method=method,
        headers={"Content-Type": "application/json", **(headers or {})},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            status, told, content = response.status, response.headers, response.read()
    except urllib.error.HTTPError as refused:
        with refused:
            status, told, content = refused.code, refused.headers, refused.read()
    try:
        value = msgspec.json.decode(content) if content else None
    except msgspec.DecodeError:
        value = content.decode(errors="replace")
    return Answer(status, {name.lower(): text for name, text in told.items()}, value)


class Person(Struct, frozen=True):
    """`cookie` is the whole Cookie header; `origin` what a browser would send with it."""

    server: ServerProcess
    id: str
    name: str
    cookie: str
    key: str
    key_id: str

    @property
    def browser(self) -> dict[str, str]:
        return {"Cookie": self.cookie, "Origin": self.server.url}

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        return ask(self.server, method, path, body, self.bearer)

    def ticket(self, origin: str | None = None) -> str:
        """A socket ticket got with the key, bound to `origin` (None: no browser)."""
        headers = {**self.bearer, **({"Origin": origin} if origin else {})}
        return str(ask(self.server, "POST", "/ws-ticket", {}, headers).body["ticket"])


def sign_in(server: ServerProcess, name: str) -> str:
    """The Cookie header of a new cookie session."""
    answer = ask(server, "POST", "/auth/login", {"name": name, "password": PASSWORD}, {"Origin": server.url})
    assert answer.status == 200, answer
    return answer.headers["set-cookie"].partition(";")[0]


def new_person(server: ServerProcess, name: str = "person") -> Person:
    """Makes a user, signs in, makes a key."""
    unique = f"{name} {next(_numbers)}"
    user = server.call("POST", "/users", {"name": unique, "password": PASSWORD})
    cookie = sign_in(server, unique)
    made = ask(server, "POST", "/keys", {"name": "own"}, {"Cookie": cookie, "Origin": server.url})
    assert made.status == 201, made
    return Person(server, user["id"], unique, cookie, made.body["key"], made.body["id"])


def join(server: ServerProcess, workspace_id: str, person: Person, role: str = "viewer") -> None:
    server.call("PUT", f"/workspaces/{workspace_id}/members/{person.id}", {"role": role}, key=OWNER_KEY)
