"""Real server processes beside the fake model server of ../shared/bench."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.testing.server_process import FakeModelServer, ServerProcess

SHARED = Path(__file__).resolve().parents[4] / "shared" / "bench" / "fake_openai.py"
HANDBOOK = (
    "# Vacation\n\nEmployees get 25 days of paid vacation a year. Requests go to the manager two weeks before.\n\n"
    "# Travel\n\nFlights are booked by the travel desk. The daily allowance is 40 euros.\n"
)


@pytest.fixture(scope="session")
def fake_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeModelServer]:
    if not SHARED.exists():
        pytest.skip(f"no fake model server at {SHARED}")
    server = FakeModelServer(SHARED, log=tmp_path_factory.mktemp("fake") / "fake.log")
    yield server
    server.terminate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, fake_model: FakeModelServer) -> Iterator[ServerProcess]:
    """One server a module, with fake-slow (20 tokens/s, 10 s) as its model and one document."""
    process = ServerProcess(
        tmp_path_factory.mktemp("live") / "data", chat_base_url=fake_model.base_url, chat_model="fake-slow",
        limits_messages_per_minute=0, limits_connections_per_user=0,
    )  # fmt: skip
    yield process
    assert process.terminate() == 0, process.output


@pytest.fixture(scope="module")
def workspace_id(server: ServerProcess) -> str:
    workspace = server.call("POST", "/workspaces", {"name": "Live"})["id"]
    document = server.upload(workspace, "handbook.md", HANDBOOK.encode())
    assert document["state"] == "ready", document
    return workspace


@pytest.fixture
def session_id(server: ServerProcess, workspace_id: str) -> str:
    return server.call("POST", "/sessions", {"workspace_id": workspace_id})["id"]


@pytest.fixture(scope="session")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Small limits and short times, the extractive answerer. Tests on it bring users of their own."""
    process = ServerProcess(
        tmp_path_factory.mktemp("strict") / "data", limits_messages_per_minute=3, limits_connections_per_user=6,
        limits_subscriptions=4, limits_connections=60, limits_frame_bytes=16_384, heartbeat_hello_timeout_s=1.0, auth_ticket_s=1.0,
    )  # fmt: skip
    yield process
    assert process.terminate() == 0, process.output
    assert "Traceback" not in process.output, process.output
