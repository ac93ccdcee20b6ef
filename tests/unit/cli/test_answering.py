"""`ask` and `chat` against the fake server on loopback."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal

import pytest

from antiphon.cli import answering
from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.house import Place
from antiphon.testing.fake_server import FakeServer


async def test_ask_prints_the_answer(capsys):
    server = FakeServer(answers=lambda question: [question[::-1], "!"])
    async with server.serve() as url:
        code = await answering._ask(Place(url=url), "abc", None, None, None, as_json=False)
        await server.close()
    assert code == ExitCode.OK
    assert capsys.readouterr().out == "cba!\n"


async def test_ask_as_json_prints_frames(capsys):
    server = FakeServer(answers=lambda _: ["a", "b"])
    async with server.serve() as url:
        await answering._ask(Place(url=url), "q", None, None, "ses_9", as_json=True)
        await server.close()
    frames = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [f["type"] for f in frames] == ["user_message", "run_started", "sources", "answer_chunk", "answer_chunk", "complete"]
    assert [f["seq"] for f in frames] == [1, 2, 3, 4, 5, 6]


async def test_ctrl_c_stops_the_run_and_keeps_what_came(capsys):
    server = FakeServer(answers=lambda _: ["word "] * 100_000)
    async with server.serve() as url:
        asking = asyncio.create_task(answering._ask(Place(url=url), "q", None, None, "ses_9", as_json=False))
        while "word" not in capsys.readouterr().out:
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)
        assert await asyncio.wait_for(asking, 10) == ExitCode.INTERRUPTED
        await server.close()
    assert "[stopped]" in capsys.readouterr().err
    assert any(command["type"] == "stop" for command in server.commands)


async def test_chat_goes_on_in_one_session_until_new(capsys, monkeypatch):
    server = FakeServer()
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\ntwo\n/model m\n/new\nthree\n/what\n/quit\nnever\n"))
    async with server.serve() as url:
        assert await answering._chat(Place(url=url), None, None, None, as_json=False) == ExitCode.OK
        await server.close()
    sent = [c for c in server.commands if c["type"] == "chat_message"]
    assert [(c["content"], c.get("session_id"), c.get("model")) for c in sent] == [
        ("one", None, None), ("two", "ses_1", None), ("three", None, "m"),
    ]  # fmt: skip
    shown = capsys.readouterr()
    assert shown.out == "You asked: one\nYou asked: two\nYou asked: three\n"
    assert "/new" in shown.err


@pytest.mark.parametrize(
    ("status", "code"), [("failed", ExitCode.INCOMPLETE), ("interrupted", ExitCode.INCOMPLETE), ("stopped", ExitCode.OK)]
)
async def test_codes_of_answers(status, code, capsys):
    class Ended(FakeServer):
        async def _answer(self, topic, ids, frame):
            self.append(topic, {"type": "complete", **ids, "status": status, "text_length": 0})

    server = Ended()
    async with server.serve() as url:
        assert await answering._ask(Place(url=url), "q", None, None, None, as_json=False) == code
        await server.close()
