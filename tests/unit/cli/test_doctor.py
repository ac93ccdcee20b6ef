"""`doctor`: what it finds and what it calls a failure."""

from __future__ import annotations

import json

import pytest
import typer
from aiohttp import web

from antiphon.cli import doctor
from antiphon.cli.exit_codes import ExitCode
from antiphon.config import load_settings
from antiphon.core.errors import NotFound
from antiphon.core.failpoints import FAILPOINTS
from antiphon.storage.lock import FolderLock, ServerInfo


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


@pytest.mark.parametrize(("path", "words"), [("/v1", "answers"), ("/closed", "refuses the key")])
async def test_the_model_server_is_asked(path, words, monkeypatch):
    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": []})

    async def closed(_: web.Request) -> web.Response:
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_get("/closed/models", closed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("ANTIPHON_CHAT_BASE_URL", f"http://127.0.0.1:{runner.addresses[0][1]}{path}")
    finding = await doctor._chat_model(load_settings())
    await runner.cleanup()
    assert words in finding.detail


def test_failpoints_are_listed(capsys):
    doctor.doctor(failpoints=True)
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == list(FAILPOINTS)


def test_storage_without_data_is_told(tmp_path):
    with pytest.raises(NotFound):
        doctor.doctor(storage=True, data_dir=tmp_path)
