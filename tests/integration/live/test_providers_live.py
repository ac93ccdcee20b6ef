"""Providers on a real server: stored, used, gone over, titled; and no key of theirs anywhere that can be looked at."""

from __future__ import annotations

import asyncio
import gzip
import urllib.error
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from antiphon.core.runtime import system_runtime
from antiphon.storage.backup import create_backup
from antiphon.testing.anthropic_server import message_reply
from antiphon.testing.model_server import ModelServer, error_reply, serve_model, text_reply
from antiphon.testing.server_process import ServerProcess

LAB_KEY = "sk-lab-SECRET-0123456789-abcdef"
CLOUD_KEY = "sk-ant-SECRET-9876543210-fedcba"
SETTINGS_KEY = "sk-env-SECRET-1111122222-333334"
KEYS = (LAB_KEY, CLOUD_KEY, SETTINGS_KEY)


class Site:
    """A server and everything it ever answered."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = settings
        self.told: list[str] = []
        self.process = self._start()

    def _start(self) -> ServerProcess:
        return ServerProcess(self.folder / "data", chat_titles="true", log_level="debug", **self.settings)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = await asyncio.to_thread(self.process.call, method, path, body)
        except urllib.error.HTTPError as error:
            content = error.read().decode()
            self.told.append(content)
            return {"status": error.code, **msgspec.json.decode(content)}
        self.told.append(repr(answer))
        return answer

    async def ask(self, question: str, **fields: Any) -> dict[str, Any]:
        """The record of the run, once it has ended."""
        frame = {"type": "chat_message", "id": question, "content": question, **fields}
        result = (await self.call("POST", "/commands", frame))["result"]
        for _ in range(400):
            run = await self.call("GET", f"/runs/{result['run_id']}")
            if run["state"] not in {"queued", "running"}:
                return run
            await asyncio.sleep(0.02)
        raise AssertionError(f"The run did not end: {run}")

    async def restart(self, **settings: Any) -> None:
        assert await asyncio.to_thread(self.process.terminate) == 0
        self.settings.update(settings)
        self.process = await asyncio.to_thread(self._start)

    async def files(self) -> dict[str, bytes]:
        """Everything on disk, a backup, unpacked, and the log."""
        folder = self.folder / "data"
        backup = self.folder / "backup.tar.gz"
        backup.unlink(missing_ok=True)
        await asyncio.to_thread(create_backup, folder, backup, runtime=system_runtime(), version="test")
        found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return {**found, "backup": gzip.decompress(backup.read_bytes()), "log": self.process.output.encode()}


@asynccontextmanager
async def started(folder: Path, *servers: ModelServer) -> AsyncGenerator[Site]:
    allow = ",".join(f"model:127.0.0.1:{server.port}" for server in servers)
    settings = {"chat_api_key": SETTINGS_KEY, "chat_kind": "anthropic", "chat_base_url": "http://127.0.0.1:9"}
    made = await asyncio.to_thread(lambda: Site(folder, outgoing_allow=allow, **settings))
    try:
        yield made
    finally:
        await asyncio.to_thread(made.process.terminate)
    assert "Traceback" not in made.process.output, made.process.output


async def test_providers_from_first_to_last(tmp_path: Path) -> None:
    rude = error_reply(401, f"Incorrect API key provided: {LAB_KEY}")
    async with (
        serve_model(rude, models=["qwen3"]) as lab,
        serve_model(message_reply("It ", "is so."), models=["claude"]) as cloud,
        started(tmp_path, lab, cloud) as site,
    ):
        await check_providers(site, lab, cloud)
        await check_going_over(site, cloud)
        await check_tests(site, lab.base_url)
        await check_answers(site, lab)
        await site.restart()
        assert (await site.ask("Again?"))["record"]["model"] == "lab/qwen3"
        assert lab.requests[-1].headers["authorization"] == f"Bearer {LAB_KEY}"
        await check_no_key(site)
        await check_another_secret(site)
        await check_no_key(site)


async def check_providers(site: Site, lab: ModelServer, cloud: ModelServer) -> None:
    await site.call("POST", "/workspaces", {"name": "Handbook"})
    fields: dict[str, Any] = {"label": "Lab", "base_url": lab.base_url, "api_key": LAB_KEY, "fallbacks": ["cloud"]}
    made = await site.call("POST", "/providers", {**fields, "preferred": True, "context_window": 8192})
    assert (made["slug"], made["key_hint"], made["has_key"]) == ("lab", "…cdef", True)
    fields = {"slug": "cloud", "kind": "anthropic", "base_url": cloud.base_url, "api_key": CLOUD_KEY}
    await site.call("POST", "/providers", fields)
    assert (await site.call("POST", "/providers", fields))["status"] == 409
    for _ in range(100):
        models = await site.call("GET", "/models")
        if {"lab/qwen3", "cloud/claude"} <= {item["id"] for item in models["items"]}:
            break
        await asyncio.sleep(0.02)
    known = {item["id"]: item for item in models["items"]}
    assert models["default"] == "lab/qwen3"
    assert (known["lab/qwen3"]["context_window"], known["cloud/claude"]["context_window"]) == (8192, 200_000)


async def check_answers(site: Site, lab: ModelServer) -> None:
    lab.play(text_reply("Twenty ", "days [7]."), text_reply("Leave ", "days"))
    run = await site.ask("How many days of leave does everybody have?", model="lab/qwen3")
    assert (run["state"], run["record"]["model"]) == ("completed", "lab/qwen3")
    assert run["record"]["marks"] == {"citations": 1, "without_source": 1}
    await check_title(site, run["session_id"], "Leave days")
    await site.call("GET", f"/sessions/{run['session_id']}/messages")


async def check_going_over(site: Site, cloud: Any) -> None:
    run = await site.ask("What is so?")
    assert run["state"] == "completed", run
    assert run["record"]["model"] == "cloud/claude"
    (failed,) = run["record"]["failed_models"]
    assert (failed["model"], failed["code"]) == ("lab/qwen3", "model_error")
    assert cloud.messages[0].headers["x-api-key"] == CLOUD_KEY
    listed = {item["id"]: item for item in (await site.call("GET", "/models"))["items"]}
    assert listed["lab/qwen3"]["available"] is False
    assert "refused the API key" in listed["lab/qwen3"]["reason"]


async def check_tests(site: Site, lab_url: str) -> None:
    assert (await site.call("POST", "/models/test", {"provider": "cloud"}))["ok"] is True
    refused = await site.call("POST", "/models/test", {"provider": "lab"})
    assert (refused["ok"], refused["reachable"]) == (False, True)
    assert "refused the API key" in refused["problem"]
    stolen = await site.call("POST", "/models/test", {"provider": "lab", "base_url": "http://127.0.0.1:9/v1"})
    assert stolen["status"] == 422
    own = await site.call("POST", "/models/test", {"base_url": lab_url, "api_key": LAB_KEY, "model": "qwen3"})
    assert own["code"] == "model_error"
    assert (await site.call("POST", "/models/test", {}))["reachable"] is False  # the settings' one: nobody listens there
    inside = await site.call("POST", "/models/test", {"base_url": "http://169.254.169.254/v1", "api_key": LAB_KEY})
    assert (inside["reachable"], inside["code"]) == (False, "model_unavailable")
    assert "is not asked" in inside["problem"]
    moved = await site.call("PATCH", "/providers/lab", {"base_url": "http://127.0.0.1:9/v1"})
    assert moved["status"] == 422
    assert (await site.call("GET", "/models/discover"))["items"] is not None


async def check_title(site: Site, session_id: str, title: str) -> None:
    for _ in range(200):
        session = await site.call("GET", f"/sessions/{session_id}")
        if session["title"] == title:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"The title is still {session['title']!r}.")


async def check_no_key(site: Site) -> None:
    for path in ("/providers", "/providers/lab", "/models", "/workspaces", "/sessions"):
        await site.call("GET", path)
    for session in (await site.call("GET", "/sessions"))["items"]:
        await site.call("GET", f"/sessions/{session['id']}/export?format=json")
    files = await site.files()
    assert {"antiphon.db", "backup", "log"} <= set(files)
    assert b"key_sealed" in files["antiphon.db"]
    for key in KEYS:
        assert [name for name, content in files.items() if key.encode() in content] == []
        assert [text for text in site.told if key in text] == []
    assert (site.folder / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
    secret = (site.folder / "data" / "secret.key").read_bytes().strip()
    assert secret not in files["backup"]


async def check_another_secret(site: Site) -> None:
    await site.restart(secret_key="another secret of more than 32 characters")
    listed = {item["id"]: item for item in (await site.call("GET", "/models"))["items"]}
    lab = next(item for name, item in listed.items() if name.startswith("lab"))
    assert lab["available"] is False
    assert "sealed with another secret" in lab["reason"]
