"""`ingest`: which files, how they fare, what is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from antiphon.cli import ingest as command
from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.house import Place
from antiphon.core.errors import BadRequest, ShuttingDown


def folder(tmp_path: Path) -> Path:
    for name in ("b.md", "a.txt", "sub/c.pdf", ".git/config", "sub/.hidden"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "docs"


def test_files_are_found_once_in_order_without_hidden_ones(tmp_path):
    docs = folder(tmp_path)
    found = [p.relative_to(docs).as_posix() for p in command.find_files([docs, docs / "a.txt"])]
    assert found == ["a.txt", "b.md", "sub/c.pdf"]
    assert list(command.find_files([docs / "sub" / ".hidden"])), "named by hand, it is meant"
    with pytest.raises(BadRequest, match="nowhere"):
        list(command.find_files([tmp_path / "nowhere"]))


async def test_each_file_has_its_outcome_and_failures_are_summed_up(rest_server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "FIRST_LOOK_S", 0.001)
    files = []
    for name in ("good.md", "bad.pdf", "virus.exe"):
        (tmp_path / name).write_text("x")
        files.append(tmp_path / name)
    outcomes = await command._ingest(Place(url=rest_server.url), files, None, wait=True)
    assert [o.state for o in outcomes] == ["ready", "failed", "refused"]
    assert [o.id is None for o in outcomes] == [False, False, True]
    assert command._report(outcomes, as_json=False) == ExitCode.INCOMPLETE
    shown = capsys.readouterr()
    assert shown.out == "1 of 3 documents added.\n"
    assert "It is damaged." in shown.err
    assert "is no document" in shown.err
    assert command._report(outcomes, as_json=True) == ExitCode.INCOMPLETE
    told = json.loads(capsys.readouterr().out)
    assert (told["sent"], told["failed"], [d["state"] for d in told["documents"]]) == (1, 2, ["ready", "failed", "refused"])


async def test_without_waiting_nothing_is_watched(rest_server, tmp_path):
    (tmp_path / "a.md").write_text("x")
    outcomes = await command._ingest(Place(url=rest_server.url), [tmp_path / "a.md"], "home", wait=False)
    assert outcomes[0].state == "queued"
    assert rest_server.looks == 0


async def test_a_server_that_is_away_is_told(tmp_path):
    (tmp_path / "a.md").write_text("x")
    with pytest.raises(ShuttingDown):
        await command._ingest(Place(url="http://127.0.0.1:9"), [tmp_path / "a.md"], None, wait=True)
