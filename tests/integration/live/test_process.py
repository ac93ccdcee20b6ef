"""The server as a process: what it says at its start, what it refuses, how it ends, and that no secret is in its words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from antiphon.testing.byte_socket import BINARY, TEXT, ByteSocket, client_frame
from antiphon.testing.people import PASSWORD, ask, new_person
from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import OWNER_KEY, FakeModelServer, ServerProcess, free_port

PROGRAM = str(Path(sys.executable).parent / "antiphon")


class Serve:
    """`antiphon serve` with its two outputs apart."""

    def __init__(self, folder: Path, *options: str, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.data_dir = folder, folder / "data"
        kept = {name: text for name, text in os.environ.items() if not name.startswith("ANTIPHON_")}
        env = {**kept, "ANTIPHON_SAMPLE": "false", **{f"ANTIPHON_{name.upper()}": str(value) for name, value in settings.items()}}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--data-dir", str(self.data_dir), *options], env=env, stdout=out, stderr=err,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    def ready(self, limit_s: float = 30.0) -> str:
        """The address of the ready line."""
        deadline = time.monotonic() + limit_s
        while "\n" not in self.out:
            assert self.process.poll() is None, self.err
            assert time.monotonic() < deadline, self.err
            time.sleep(0.005)
        return self.out.split()[-1]

    def end(self, number: int = signal.SIGTERM, limit_s: float = 10.0) -> tuple[int, float]:
        """(exit code, seconds)."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(limit_s), time.monotonic() - began

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Any]:
    made: list[Serve] = []

    def start(*options: str, name: str = "one", **settings: Any) -> Serve:
        made.append(Serve(tmp_path / name, *options, **settings))
        return made[-1]

    yield start
    for each in made:
        each.close()


def get(url: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status, answer.read()


def as_server(url: str, server: Serve) -> ServerProcess:
    """For the calls of antiphon.testing, which want a `ServerProcess`."""
    made = object.__new__(ServerProcess)
    made.port, made.data_dir, made.process = int(url.rpartition(":")[2]), server.data_dir, server.process
    return made


# --- start ----------------------------------------------------------------------------------------------------------------------


def test_start_and_end(serving: Any) -> None:
    """The ready line once /healthz answers, the link once and good once, server.json, the lock, and all gone at the end."""
    server: Serve = serving("--port", "0")
    url = server.ready()
    assert re.fullmatch(r"antiphon ready http://127\.0\.0\.1:\d+\n", server.out)
    assert json.loads(get(f"{url}/healthz")[1])["status"] == "ok"
    note = server.data_dir / "server.json"
    told = json.loads(note.read_text())
    assert (told["pid"], told["url"], bool(told["version"])) == (server.process.pid, url, True)
    assert stat.S_IMODE(note.stat().st_mode) == 0o600

    links = re.findall(r"http://\S+/sign-in#(\S+)", server.err)
    assert len(links) == 1
    assert links[0] not in server.out
    assert get(f"{url}/sign-in")[0] == 200  # a preview of the link uses nothing up
    process = as_server(url, server)
    assert (
        ask(
            process, "POST", "/auth/sign-in", {"token": links[0][:-1] + ("y" if links[0].endswith("x") else "x")}, {"Origin": url}
        ).code
        == "unauthorized"
    )
    first = ask(process, "POST", "/auth/sign-in", {"token": links[0]}, {"Origin": url})
    assert (first.status, first.body["user"]["name"]) == (200, "owner")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert ask(process, "GET", "/me", None, {"Cookie": cookie.partition(";")[0], "Origin": url}).body["name"] == "owner"
    assert ask(process, "POST", "/auth/sign-in", {"token": links[0]}, {"Origin": url}).code == "unauthorized"

    second = serving("--port", "0")  # the same folder
    second_code = second.process.wait(20)
    assert second_code not in {0, None}
    # `Serve` of the same name shares the outputs: what the second said is at their end
    assert str(server.process.pid) in second.err
    assert url in second.err
    assert "Traceback" not in second.err
    assert get(f"{url}/healthz")[0] == 200

    code, seconds = server.end()
    assert (code, seconds < 10) == (0, True)
    assert not note.exists()
    assert server.process.pid not in {child.pid for child in psutil.process_iter()}
    again: Serve = serving("--port", "0")
    again.ready()
    assert len(re.findall("/sign-in#", again.err)) == 1
    assert again.end(signal.SIGINT)[0] == 0


def refusals(folder: Path, port: int) -> dict[str, Serve]:
    return {
        "short key": Serve(folder / "short", "--port", "0", owner_key="too-short-a-key" + "y" * 16),
        "no accounts on every address": Serve(folder / "open", "--port", "0", "--host", "0.0.0.0", "--no-auth"),
        "no accounts by environment": Serve(folder / "env", "--port", "0", host="::", no_auth="true"),
        "port in use": Serve(folder / "port", "--port", str(port)),
        "a wildcard origin": Serve(folder / "origin", "--port", "0", auth_origins="*"),
        "a bad setting": Serve(folder / "bad", "--port", "0", limits_frame_bytes="many"),
    }


WORDS = {
    "short key": "ANTIPHON_OWNER_KEY", "no accounts on every address": "--no-auth", "no accounts by environment": "--no-auth",
    "port in use": "--port", "a wildcard origin": "origin", "a bad setting": "frame_bytes",
}  # fmt: skip


def test_unsafe_or_impossible_starts_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        started = refusals(tmp_path, taken.getsockname()[1])
        try:
            for name, server in started.items():
                code = server.process.wait(30)
                assert code != 0, name
                assert server.out == "", name
                assert "Traceback" not in server.err, (name, server.err)
                assert WORDS[name].lower() in server.err.lower(), (name, server.err)
                assert 20 < len(server.err) < 1500, (name, server.err)
                assert "too-short-a-key" not in server.err
                assert not (server.data_dir / "server.json").exists(), name
        finally:
            for server in started.values():
                server.close()


async def test_without_accounts_only_this_machine_and_no_foreign_page(serving: Any) -> None:
    server: Serve = serving("--port", "0", "--no-auth")
    url = server.ready()
    process = as_server(url, server)
    assert "/sign-in#" not in server.err
    assert ask(process, "GET", "/me").body["name"] == "owner"
    assert ask(process, "POST", "/workspaces", {"name": "mine"}, {"Origin": url}).status == 201
    evil = {"Origin": "https://evil.example"}
    assert ask(process, "POST", "/workspaces", {"name": "theirs"}, evil).code == "forbidden"
    assert ask(process, "POST", "/workspaces", {"name": "theirs"}, {"Origin": "null"}).code == "forbidden"
    assert ask(process, "GET", "/me", None, {"Host": "evil.example"}).code == "forbidden"
    async with ByteSocket(url) as program, ByteSocket(url, headers={"Origin": url}) as page:
        assert [(program.status, page.status)] == [(101, 101)]
        welcome = await program.receive()
        assert welcome is not None
        assert b'"welcome"' in welcome.payload
    for path in ("/ws/v1", "/ws/chat"):
        for headers in (evil, {"Origin": "null"}, {"Host": "evil.example", "Origin": "http://evil.example"}):
            async with ByteSocket(url, path, headers=headers) as foreign:
                assert foreign.status == 403
    assert server.end()[0] == 0


# --- end ------------------------------------------------------------------------------------------------------------------------


async def test_ends_cleanly_with_open_sockets_and_a_running_answer(serving: Any, fake_model: FakeModelServer) -> None:
    """Both signals at once, because it takes as long as running answers are waited for."""
    await asyncio.gather(*(ends_cleanly(serving, fake_model, number) for number in (signal.SIGTERM, signal.SIGINT)))


async def ends_cleanly(serving: Any, fake_model: FakeModelServer, number: signal.Signals) -> None:
    mark = number.name
    settings = {"owner_key": OWNER_KEY, "chat_base_url": fake_model.base_url, "chat_model": "fake-slow"}
    server: Serve = serving("--port", "0", name=mark, **settings)
    url = await asyncio.to_thread(server.ready)
    process = as_server(url, server)
    workspace = process.call("POST", "/workspaces", {"name": "End"})["id"]
    long, short = (process.call("POST", "/sessions", {"workspace_id": workspace})["id"] for _ in range(2))
    async with contextlib.AsyncExitStack() as stack:
        watching = await stack.enter_async_context(RawSocket(url, key=OWNER_KEY))
        simple = await stack.enter_async_context(RawSocket(url, key=OWNER_KEY, path=f"/ws/chat?format=json&session_id={short}"))
        silent = await stack.enter_async_context(ByteSocket(url))  # has not said hello
        deaf = await stack.enter_async_context(
            ByteSocket(url, headers={"Authorization": f"Bearer {OWNER_KEY}"}, receive_buffer_bytes=4096)
        )
        half = await stack.enter_async_context(ByteSocket(url, headers={"Authorization": f"Bearer {OWNER_KEY}"}))
        half.push(client_frame(TEXT, b'{"type":"pong"', fin=False))
        for session in (long, short):
            await watching.subscribe(f"session:{session}")
        runs = {
            name: (await watching.command("chat_message", session_id=session, content=f"{mark} {name} tokens={tokens}"))[
                "result"
            ]["run_id"]
            for name, session, tokens in (("long", long, 200), ("short", short, 20))
        }
        await watching.until(lambda f: f["type"] == "answer_chunk" and f["run_id"] == runs["short"])
        ending = asyncio.create_task(asyncio.to_thread(server.end, number))
        await asyncio.sleep(0.3)
        late = await watching.command("chat_message", session_id=short, content="too late?")
        assert late["error"]["code"] == "shutting_down"
        assert late["error"]["retryable"]
        assert await watching.closed() == 1012
        assert await simple.closed() == 1012
        assert await silent.closed() in {1012, None}
        assert await half.closed() == 1012
        code, seconds = await ending
        del deaf
    assert (code, seconds < 10) == (0, True), server.err
    print(f"{mark}: exit {code} after {seconds:.1f} s")
    ends = {frame["run_id"]: frame["status"] for frame in watching.frames if frame["type"] == "complete"}
    assert ends == {runs["long"]: "interrupted", runs["short"]: "completed"}
    draining = [frame for frame in watching.frames if frame["type"] == "draining"]
    assert len(draining) == 1
    assert 0 < draining[0]["reconnect_in_ms"] <= 10_000
    told = [frame["type"] for frame in watching.frames]
    assert told.index("draining") < max(place for place, kind in enumerate(told) if kind == "complete"), (
        "told while answers go on"
    )
    assert "Traceback" not in server.err
    assert not (server.data_dir / "server.json").exists()
    outcomes = {name: entry["outcome"] for entry in fake_model.requests() for name in runs if f"{mark} {name}" in entry["last"]}
    assert outcomes == {"long": "client_closed", "short": "complete"}

    again: Serve = serving("--port", "0", name=mark, **settings)
    process = as_server(await asyncio.to_thread(again.ready), again)
    for name, run_id in runs.items():
        record = process.call("GET", f"/runs/{run_id}")
        assert (name, record["state"]) in {("long", "interrupted"), ("short", "completed")}
        message = next(
            m for m in process.call("GET", f"/sessions/{record['session_id']}/messages")["items"] if m["role"] == "assistant"
        )
        assert message["content"] == watching.states[f"session:{record['session_id']}"].text(message["id"])
    assert again.end(number)[0] == 0


def test_a_killed_server_leaves_no_child_and_the_folder_opens_again(serving: Any) -> None:
    server: Serve = serving("--port", "0", owner_key=OWNER_KEY)
    url = server.ready()
    process = as_server(url, server)
    workspace = process.call("POST", "/workspaces", {"name": "Kill"})["id"]
    process.upload(workspace, "a.md", b"# A\n\nwords\n")
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert children, "parsing happens in processes of their own"
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(children, timeout=5)
    alive = [child for child in alive if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not alive, alive
    assert (server.data_dir / "server.json").exists()  # nobody was there to remove it
    again: Serve = serving("--port", "0", owner_key=OWNER_KEY)
    assert as_server(again.ready(), again).call("GET", "/workspaces")["items"]
    children = psutil.Process(again.process.pid).children(recursive=True)
    assert again.end()[0] == 0
    assert not [child for child in psutil.wait_procs(children, timeout=2)[1] if child.status() != psutil.STATUS_ZOMBIE]


# --- A4 -------------------------------------------------------------------------------------------------------------------------


async def test_a4_no_credential_is_in_any_output(serving: Any, fake_model: FakeModelServer) -> None:
    """Every credential in every place a client may put it, right and wrong, at the level `debug`."""
    port = free_port()
    model_key = "model-server-key-0123456789abcdef"
    server: Serve = serving(
        "--port", str(port), owner_key=OWNER_KEY, log_level="debug", chat_base_url=fake_model.base_url, chat_model="fake-llm", chat_api_key=model_key
    )  # fmt: skip
    url = server.ready()
    process = as_server(url, server)
    link = re.findall(r"/sign-in#(\S+)", server.err)[0]
    person = await asyncio.to_thread(new_person, process, "secretive")
    workspace = person.call("POST", "/workspaces", {"name": "Secrets"}).body["id"]
    local = json.loads((server.data_dir / "server.json").read_text())["token"]
    tickets = [person.ticket() for _ in range(3)]
    cookie = person.cookie.partition("=")[2]
    secrets = {"owner key": OWNER_KEY, "key": person.key, "cookie": cookie, "password": PASSWORD, "local token": local, "model key": model_key,
               "link": link, **{f"ticket {n}": ticket for n, ticket in enumerate(tickets)}}  # fmt: skip

    for name, secret in secrets.items():
        quoted = secret.replace(" ", "%20")
        for path in ("/me", "/workspaces/ws_nobody", "/no-such-route"):
            for headers in (
                {"Authorization": f"Bearer {secret}"},
                {"Cookie": f"antiphon_session={quoted}", "Origin": url},
                {"X-Api-Key": secret},
            ):
                ask(process, "GET", f"{path}?token={quoted}&key={quoted}", None, headers)
        ask(process, "POST", "/auth/login", {"name": secret, "password": secret}, {"Origin": url})
        ask(process, "POST", "/auth/sign-in", {"token": secret + "x"}, {"Origin": url})
        ask(process, "POST", "/commands", {"type": "chat_message", "id": "1", "content": "?", "key": secret}, person.bearer)
        ask(process, "POST", "/workspaces", {"name": "new", "key": secret}, {"Authorization": f"Bearer {secret}"})
        for path in ("/ws/v1", "/ws/chat", "/ws/nowhere"):
            for parameter in ("ticket", "token", "key", "access_token"):
                async with ByteSocket(
                    url, f"{path}?{parameter}={quoted}x", headers={"Authorization": f"Bearer {secret}"}
                ) as client:
                    client.push(client_frame(TEXT, b'{"type":"hello","id":"1","token":"' + secret.encode() + b'"}'))
                    client.push(
                        client_frame(TEXT, b'{"type":"' + secret.encode() + b'","id":"1"}')
                        + client_frame(BINARY, secret.encode())
                    )
                    client.push(client_frame(TEXT, secret.encode() + b"\xff"))
                    with contextlib.suppress(TimeoutError):
                        await client.closed(2)
        assert get(f"{url}/healthz")[0] == 200, name
    for ticket in tickets[:2]:
        async with RawSocket(url, key=None, path=f"/ws/chat?workspace={workspace}&ticket={ticket}") as chat:
            await chat.socket.send_str('{"query":"hi? tokens=2"}')
            await chat.until(lambda f: f["type"] in {"complete", "error"})
    assert ask(process, "POST", "/auth/sign-in", {"token": link}, {"Origin": url}).status == 200
    assert server.end()[0] == 0

    said = server.out + server.err.replace(f"/sign-in#{link}", "", 1)  # the link itself is there once, on purpose
    files = {path: path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file()}
    logs = {path.name: content for path, content in files.items() if path.suffix in {".log", ".txt", ".json"}}
    found = [name for name, secret in secrets.items() if secret in said or any(secret.encode() in text for text in logs.values())]
    assert found == []
    assert len(said) > 5000, "the log was written at all"
    # nor is one stored as it is: only hashes of our own credentials are on disk
    kept = [
        name
        for name in ("owner key", "key", "cookie", "local token", "link", "ticket 0")
        if any(secrets[name].encode() in text for text in files.values())
    ]
    assert kept == []
