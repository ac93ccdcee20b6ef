"""A real server with a real `/embeddings` beside it: what REST, /healthz and doctor say; and without it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from antiphon.testing.embedding_server import serve_embeddings
from antiphon.testing.server_process import ServerProcess, free_port

WAIT_S = 20.0


def until(there: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = there()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("It did not come to be in time.")


def reasons(server: ServerProcess) -> list[str]:
    with urllib.request.urlopen(server.url + "/healthz") as answer:
        return msgspec.json.decode(answer.read())["reasons"]


async def test_found_by_meaning_and_said_everywhere(tmp_path: Path) -> None:
    async with serve_embeddings() as embeddings:
        await asyncio.to_thread(used, tmp_path, embeddings.url + "/v1")
        assert set(embeddings.keys) == {"Bearer sk-embed"}


def used(tmp_path: Path, base_url: str) -> None:
    settings = {"sample": "false", "embed_base_url": base_url, "embed_model": "words", "embed_api_key": "sk-embed"}
    server = ServerProcess(tmp_path, **settings)
    try:
        workspace = server.call("POST", "/workspaces", {"name": "Cars"})["id"]
        until(lambda: server.call("GET", "/models")["meaning"]["embedders"][0]["state"] == "ready")
        server.upload(workspace, "car.txt", b"The car needs oil every thousand miles.")
        until(lambda: server.call("GET", f"/workspaces/{workspace}/documents")["documents"][0]["state"] == "ready")
        found = server.call("POST", f"/workspaces/{workspace}/search", {"query": "automobile"})
        assert found["mode"] == "hybrid"
        assert found["passages"][0]["scores"]["dense"] > 0
        assert found["notes"] == []
        changed = server.call("PATCH", f"/workspaces/{workspace}/index", {"chunk_characters": 300})
        assert changed["chunk_characters"] == 300
        ready = until(lambda: (now := server.call("GET", f"/workspaces/{workspace}/index"))["state"] == "ready" and now)
        assert [(space["state"], space["embedder"]) for space in ready["spaces"]] == [("serving", "server")]
        assert ready["documents_left"] == 0
        assert server.call("POST", f"/workspaces/{workspace}/index/cancel")["state"] == "ready"
        assert reasons(server) == []
    finally:
        assert server.terminate() == 0
    again = ServerProcess(tmp_path, **{**settings, "embed_base_url": f"http://127.0.0.1:{free_port()}/v1"})
    try:  # the same folder, with nobody at the address
        said = until(lambda: reasons(again))
        assert said[0].startswith("Search by meaning is off: ")
        found = again.call("POST", f"/workspaces/{workspace}/search", {"query": "oil"})
        assert found["mode"] == "lexical"
        assert "went by words only" in found["notes"][0]
        assert found["passages"]
    finally:
        assert again.terminate() == 0


def test_doctor_says_why_there_is_none(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", "from antiphon.cli.main import run; run()", "doctor", "--json", "--data-dir", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    told = {finding["check"]: finding for finding in msgspec.json.decode(finished.stdout)["findings"]}
    assert told["embedder"]["state"] == "warning"
    assert "ANTIPHON_EMBED_BASE_URL" in told["embedder"]["detail"]
    assert "ANTIPHON_RERANK_BASE_URL" in told["reranker"]["detail"]
