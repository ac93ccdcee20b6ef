"""A real `antiphon serve` in a process of its own, and the fake model server: for integration and crash tests.

`ServerProcess.kill` is SIGKILL. Output is kept for the failure message. Tests: tests/integration/live/.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec

OWNER_KEY = "owner-key-for-tests-0123456789abcdef0123"
START_LIMIT_S = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class ChildProcess:
    """A child in a session of its own, with its output in a file."""

    def __init__(self, command: list[str], *, log: Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - commands of the tests themselves
                command, env={**os.environ, **(env or {})}, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until(self, url: str, limit_s: float = START_LIMIT_S) -> None:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"The process ended with {self.process.returncode}:\n{self.output[-4000:]}")
            try:
                with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own loopback address
                    if response.status == 200:
                        return
            except (OSError, urllib.error.URLError):
                time.sleep(0.01)
        raise RuntimeError(f"{url} did not answer within {limit_s} s:\n{self.output[-4000:]}")

    def wait_ended(self, limit_s: float = 15.0) -> int:
        return self.process.wait(limit_s)

    def kill(self) -> None:
        """SIGKILL to this process only: what it started must notice by itself."""
        self.process.kill()
        self.process.wait(10)

    def terminate(self, limit_s: float = 15.0) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit_s)


class ServerProcess(ChildProcess):
    """`settings` become `ANTIPHON_` variables: `limits_idle_s=0` is `ANTIPHON_LIMITS_IDLE_S=0`. Without others, the model is asked
    for answers only (no titles), and no other server is looked for."""

    def __init__(self, data_dir: Path, *, wait: bool = True, port: int | None = None, **settings: Any) -> None:
        self.port = port or free_port()
        self.data_dir = data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        given = {
            "host": "127.0.0.1",
            "port": self.port,
            "owner_key": OWNER_KEY,
            "sample": "false",
            "chat_titles": "false",
            "chat_discover": "false",
            **settings,
        }
        env = {f"ANTIPHON_{name.upper()}": str(value) for name, value in given.items() if value is not None}
        env["ANTIPHON_DATA_DIR"] = str(data_dir)
        program = str(Path(sys.executable).parent / "antiphon")
        super().__init__([program, "serve"], log=data_dir.parent / f"{data_dir.name}.log", env=env)
        if wait:
            self.wait_until(f"{self.url}/healthz")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: Any = None, *, key: str = OWNER_KEY) -> Any:
        """A REST call; the decoded answer. Raises urllib.error.HTTPError."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self.url}/api/v1{path}", None if body is None else msgspec.json.encode(body), method=method,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            content = response.read()
        return msgspec.json.decode(content) if content else None

    def upload(self, workspace_id: str, name: str, content: bytes) -> dict[str, Any]:
        """Uploads one file and waits until it is ready or failed; the document."""
        boundary = "antiphon-test-boundary"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/api/v1/workspaces/{workspace_id}/documents", head + content + f"\r\n--{boundary}--\r\n".encode(),
            headers={"Authorization": f"Bearer {OWNER_KEY}", "Content-Type": f"multipart/form-data; boundary={boundary}"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            document_id = msgspec.json.decode(response.read())["documents"][0]["id"]
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            document: dict[str, Any] = self.call("GET", f"/documents/{document_id}")
            if document["state"] in {"ready", "failed"}:
                return document
            time.sleep(0.02)
        raise RuntimeError(f"{name} was not ready in time:\n{self.output[-3000:]}")


class FakeModelServer(ChildProcess):
    """The fake model server at `script`: paced tokens, and a log of who closed the connection."""

    def __init__(self, script: Path, *, log: Path, tokens: int = 200) -> None:
        self.port = free_port()
        super().__init__([sys.executable, str(script), "--port", str(self.port), "--tokens", str(tokens)], log=log)
        self.wait_until(f"{self.root}/health")

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.root}/v1"

    def requests(self, *, clear: bool = False) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.root}/control/log{'?clear=1' if clear else ''}", timeout=5) as response:  # noqa: S310
            return msgspec.json.decode(response.read())
