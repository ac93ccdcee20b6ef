"""antiphon replay: what it says, and its exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer

from antiphon.cli import replaying

SAME = {"run_id": "run_2", "replay_of": "run_1", "state": "completed", "text_sha256": "ab", "equal": True}
OTHER = {
    **SAME, "equal": False, "first_difference": {"offset": 27, "recorded": "every 500\x1b[31m", "replayed": "every 600"},
    "first_node": {"node_id": "answer", "label": "Answer", "port": "answer"},
}  # fmt: skip


def run(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **options: Any) -> int:
    monkeypatch.setattr(replaying, "_replay", lambda *_: None)
    monkeypatch.setattr(replaying, "run_to_end", lambda _: told)
    with pytest.raises(typer.Exit) as ended:
        replaying.replay("run_1", **options)
    return int(ended.value.exit_code)


def test_the_same_text_is_well(monkeypatch, capsys) -> None:
    assert run(SAME, monkeypatch) == 0
    assert "The same text, sha256 ab" in capsys.readouterr().out


def test_a_difference_is_shown_and_is_an_exit_code(monkeypatch, capsys) -> None:
    assert run(OTHER, monkeypatch) == 4
    shown = capsys.readouterr().out
    assert "from character 27 on" in shown
    assert "every 600" in shown
    assert "Answer (answer), output answer" in shown
    assert "\x1b" not in shown


def test_one_that_has_not_ended_is_no_success(monkeypatch, capsys) -> None:
    assert run({"run_id": "run_2", "state": "running"}, monkeypatch) == 4
    assert "is running" in capsys.readouterr().err


def test_json_is_what_the_server_said(monkeypatch, capsys) -> None:
    assert run(OTHER, monkeypatch, as_json=True) == 4
    assert json.loads(capsys.readouterr().out) == OTHER
