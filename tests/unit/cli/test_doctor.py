"""`doctor`: what it finds and what it calls a failure."""

from __future__ import annotations

import json

import pytest
import typer

from antiphon.cli import doctor
from antiphon.cli.exit_codes import ExitCode
from antiphon.config import load_settings
from antiphon.core.errors import NotFound
from antiphon.core.failpoints import FAILPOINTS
from antiphon.models.discovery import LocalServer
from antiphon.storage.lock import FolderLock, ServerInfo
from antiphon.testing.model_server import error_reply, serve_model, text_reply


def states(capsys, **options) -> dict[str, str]:
    code = 0
    try:
        doctor.doctor(as_json=True, **options)
    except typer.Exit as ended:
        code = ended.exit_code
    told = json.loads(capsys.readouterr().out)
    assert (code == ExitCode.INCOMPLETE) == (not told["ok"])
    return {finding["check"]: finding["state"] for finding in told["findings"]}


def test_a_sound_installation(capsys):
    found = states(capsys)
    assert found["sqlite"] == found["versions"] == found["guards"] == found["server"] == "ok"
    assert found["chat model"] == "warning"


def test_unsafe_settings_fail(capsys, monkeypatch):
    monkeypatch.setenv("ANTIPHON_NO_AUTH", "1")
    monkeypatch.setenv("ANTIPHON_HOST", "0.0.0.0")
    assert states(capsys)["guards"] == "failed"


def test_a_folder_that_others_may_read_is_a_warning(capsys, tmp_path):
    tmp_path.chmod(0o755)
    assert states(capsys, data_dir=tmp_path)["data folder"] == "warning"
    (tmp_path / "file").write_text("x")
    assert states(capsys, data_dir=tmp_path / "file")["data folder"] == "failed"


def test_an_owner_that_does_not_answer_fails(capsys, tmp_path):
    with FolderLock.acquire(tmp_path) as lock:
        lock.announce(ServerInfo(pid=7, url="http://127.0.0.1:9", version="0", token="t"))
        assert states(capsys, data_dir=tmp_path)["server"] == "failed"


@pytest.fixture(autouse=True)
def no_other_servers(monkeypatch):
    async def none(*_: object, **__: object) -> list[LocalServer]:
        return []

    monkeypatch.setattr(doctor, "find_local_servers", none)


async def test_the_model_server_is_asked(monkeypatch):
    async with serve_model(text_reply("1 ", "2"), models=["qwen3"]) as server:
        monkeypatch.setenv("ANTIPHON_CHAT_BASE_URL", server.base_url)
        finding = await doctor._chat_model(load_settings())
        assert finding.state == "ok"
        assert f"{server.base_url} answers; model qwen3, first token after" in finding.detail
        monkeypatch.setenv("ANTIPHON_CHAT_BASE_URL", server.base_url.removesuffix("/v1"))
        server.play(error_reply(404, "no such page"))
        finding = await doctor._chat_model(load_settings())
        assert finding.state == "warning"


async def test_a_refused_key_is_told_without_the_key(monkeypatch):
    async with serve_model(error_reply(401, "Incorrect key sk-secret-123456"), models=["qwen3"]) as server:
        monkeypatch.setenv("ANTIPHON_CHAT_BASE_URL", server.base_url)
        monkeypatch.setenv("ANTIPHON_CHAT_API_KEY", "sk-secret-123456")
        finding = await doctor._chat_model(load_settings())
    assert finding.state == "warning"
    assert "refused the API key" in finding.detail
    assert "sk-secret" not in finding.detail


async def test_a_model_server_of_this_machine_is_offered(monkeypatch):
    async def one(*_: object, **__: object) -> list[LocalServer]:
        return [LocalServer(name="Ollama", base_url="http://127.0.0.1:11434/v1", models=["qwen3:8b"])]

    monkeypatch.setattr(doctor, "find_local_servers", one)
    finding = await doctor._chat_model(load_settings())
    assert "http://127.0.0.1:11434/v1 answers (qwen3:8b)" in finding.detail


def test_failpoints_are_listed(capsys):
    doctor.doctor(failpoints=True)
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == list(FAILPOINTS)


def test_storage_without_data_is_told(tmp_path):
    with pytest.raises(NotFound):
        doctor.doctor(storage=True, data_dir=tmp_path)
