"""`ingest`: how files fare, what is told, and what happens when a folder comes again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from antiphon.cli import ingest as command
from antiphon.cli import sending
from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.folder import Found, find_files, folder_names
from antiphon.cli.house import Place
from antiphon.core.errors import ShuttingDown


def by_hand(*files: Path, wait: bool = True) -> command.Wanted:
    return command.Wanted(files=[Found(path=path) for path in files], folders=[], wait=wait)


def whole(folder: Path, **changes: bool) -> command.Wanted:
    return command.Wanted(files=list(find_files([folder])), folders=folder_names([folder]), tags=["news"], **changes)


async def test_each_file_has_its_outcome_and_failures_are_summed_up(rest_server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sending, "FIRST_LOOK_S", 0.001)
    files = []
    for name in ("good.md", "bad.pdf", "virus.exe"):
        (tmp_path / name).write_text("x")
        files.append(tmp_path / name)
    outcomes, _ = await command.run(Place(url=rest_server.url), by_hand(*files), None)
    assert [o.state for o in outcomes] == ["ready", "failed", "refused"]
    assert [o.id is None for o in outcomes] == [False, False, True]
    assert command.report(outcomes, [], as_json=False) == ExitCode.INCOMPLETE
    shown = capsys.readouterr()
    assert shown.out == "1 of 3 documents added.\n"
    assert "It is damaged." in shown.err
    assert "is no document" in shown.err
    assert command.report(outcomes, [], as_json=True) == ExitCode.INCOMPLETE
    told = json.loads(capsys.readouterr().out)
    assert (told["sent"], told["failed"], [d["state"] for d in told["documents"]]) == (1, 2, ["ready", "failed", "refused"])


async def test_without_waiting_nothing_is_watched(rest_server, tmp_path):
    (tmp_path / "a.md").write_text("x")
    outcomes, _ = await command.run(Place(url=rest_server.url), by_hand(tmp_path / "a.md", wait=False), "home")
    assert outcomes[0].state == "queued"
    assert rest_server.looks == 0


async def test_a_server_that_is_away_is_told(tmp_path):
    (tmp_path / "a.md").write_text("x")
    with pytest.raises(ShuttingDown):
        await command.run(Place(url="http://127.0.0.1:9"), by_hand(tmp_path / "a.md"), None)


async def test_small_files_go_together_and_a_refused_one_does_not_hold_up_the_others(rest_server, tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "FIRST_LOOK_S", 0.001)
    files = []
    for number in range(60):
        files.append(tmp_path / f"{number:02}.txt")
        files[-1].write_text(str(number))
    (tmp_path / "55.exe").write_text("x")
    (tmp_path / "big.txt").write_bytes(b"x" * (sending.SMALL_BYTES + 1))
    files += [tmp_path / "55.exe", tmp_path / "big.txt"]
    outcomes, _ = await command.run(Place(url=rest_server.url), by_hand(*files), None)
    assert [outcome.state for outcome in outcomes] == ["ready"] * 60 + ["refused", "ready"]
    assert sorted(len(names) for names in rest_server.uploads) == [1] * 12 + [11, 25, 25]


async def test_a_folder_again_sends_what_changed_and_forgets_what_is_gone(rest_server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sending, "FIRST_LOOK_S", 0.001)
    docs = tmp_path / "docs"
    for name in ("a.txt", "b.txt", "sub/c.txt", "sub/d.txt"):
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(name)
    place = Place(url=rest_server.url)
    outcomes, deleted = await command.run(place, whole(docs), None)
    assert ([outcome.change for outcome in outcomes], deleted) == (["added"] * 4, [])
    assert [d["path"] for d in rest_server.documents.values()] == ["docs/a.txt", "docs/b.txt", "docs/sub/c.txt", "docs/sub/d.txt"]
    assert all(d["tags"] == ["news"] for d in rest_server.documents.values())
    rest_server.documents["doc_9"] = {"id": "doc_9", "name": "x", "path": "other/x.txt", "sha256": "0", "state": "ready"}
    (docs / "b.txt").write_text("changed")
    (docs / "sub" / "c.txt").rename(docs / "moved.txt")
    (docs / "sub" / "d.txt").unlink()
    rest_server.uploads.clear()
    outcomes, deleted = await command.run(place, whole(docs, delete_missing=True), None)
    assert [outcome.change for outcome in outcomes] == ["unchanged", "replaced", "moved"]
    assert (rest_server.uploads, deleted, rest_server.deleted) == ([["b.txt"]], ["docs/sub/d.txt"], ["doc_4"])
    assert rest_server.documents["doc_3"]["path"] == "docs/moved.txt"
    assert command.report(outcomes, deleted, as_json=False) == ExitCode.OK
    assert capsys.readouterr().out == "3 of 3 documents added (1 unchanged, 1 replaced, 1 moved, 1 deleted).\n"


async def test_what_is_gone_stays_without_being_asked_for(rest_server, tmp_path):
    (docs := tmp_path / "docs").mkdir()
    (docs / "a.txt").write_text("a")
    await command.run(Place(url=rest_server.url), whole(docs, wait=False), None)
    (docs / "a.txt").rename(docs / "b.md")
    (docs / "b.md").write_text("other")
    await command.run(Place(url=rest_server.url), whole(docs, wait=False), None)
    assert rest_server.deleted == []
