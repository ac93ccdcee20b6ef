"""The program: errors become one sentence and an exit code, commands are all there."""

from __future__ import annotations

import json

import pytest

from antiphon import __version__
from antiphon.cli import main, serving
from antiphon.cli.exit_codes import ExitCode, exit_code_of
from antiphon.core.errors import Conflict, FolderInUse, Unauthorized, UnsafeSettings

COMMANDS = ["serve", "ingest", "ask", "chat", "search", "documents", "keys", "doctor", "backup", "restore", "config"]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.run(arguments)
    return int(ended.value.code or 0)


def test_every_command_has_its_help(capsys):
    for command in COMMANDS:
        assert run(command, "--help") == ExitCode.OK
        assert len(capsys.readouterr().out.splitlines()) > 3


def test_the_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"antiphon {__version__}\n"


def test_a_wrong_line_is_a_usage_error(capsys):
    assert run("serve", "--port", "many") == ExitCode.USAGE
    assert "--port" in capsys.readouterr().err


def test_serve_passes_settings_and_exit_code(monkeypatch):
    seen = []

    def serve(settings) -> int:
        seen.append(settings)
        return 7

    monkeypatch.setattr("antiphon.server.process.serve", serve)
    assert run("serve", "--host", "127.0.0.2", "--port", "0", "--no-auth", "--data-dir", "/tmp/x") == 7
    assert (seen[0].host, seen[0].port, seen[0].no_auth, str(seen[0].data_dir)) == ("127.0.0.2", 0, True, "/tmp/x")


def test_an_error_is_one_sentence_and_a_code(monkeypatch, capsys):
    def refuse(**_: object) -> None:
        raise FolderInUse("The data folder '/d' is in use\x1b[2J by process 7.")

    monkeypatch.setattr(serving, "load_settings", refuse)
    assert run("serve") == ExitCode.REFUSED
    shown = capsys.readouterr()
    assert shown.err == "antiphon: The data folder '/d' is in use[2J by process 7.\n"
    assert shown.out == ""


def test_errors_as_json_keep_stdout_clean(capsys, tmp_path):
    assert run("ingest", str(tmp_path / "nowhere"), "--json") == ExitCode.FAILED
    shown = capsys.readouterr()
    assert json.loads(shown.err)["error"]["code"] == "bad_request"
    assert shown.out == ""


def test_a_bad_setting_is_named_without_its_value(monkeypatch, capsys):
    monkeypatch.setenv("ANTIPHON_OWNER_KEY", "short-secret")
    assert run("config") == ExitCode.FAILED
    shown = capsys.readouterr().err
    assert "ANTIPHON_OWNER_KEY" in shown
    assert "short-secret" not in shown


def test_codes_of_errors():
    assert exit_code_of(Conflict("x")) == ExitCode.FAILED
    for kind in (UnsafeSettings, FolderInUse, Unauthorized):
        assert exit_code_of(kind("x")) == ExitCode.REFUSED
