"""The program itself: every command as a process, against a running server and against a folder alone; the README's example."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets.sync.client

from antiphon.client import AntiphonClient
from antiphon.protocol.events import AnswerChunk
from antiphon.testing.server_process import ServerProcess

PROGRAM = str(Path(sys.executable).parent / "antiphon")
OTTERS = "# Otters\n\nOtters hold hands while they sleep. There are thirteen species of otter.\n"


def run(data_dir: Path, *arguments: str, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_")}
    environment |= {"ANTIPHON_DATA_DIR": str(data_dir), "ANTIPHON_SAMPLE": "false"}
    done = subprocess.run(
        [PROGRAM, *arguments], env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("cli") / "data")
    process.call("POST", "/workspaces", {"name": "Zoo"})
    folder = process.data_dir.parent / "docs"
    folder.mkdir()
    (folder / "otters.md").write_text(OTTERS)
    yield process
    assert process.terminate() == 0, process.output


def test_from_files_to_an_answer(server: ServerProcess):
    folder = server.data_dir.parent / "docs"
    assert run(server.data_dir, "ingest", str(folder)).stdout == "1 of 1 documents added.\n"
    listed = json.loads(run(server.data_dir, "documents", "--json").stdout)["documents"]
    assert [(d["name"], d["state"]) for d in listed] == [("otters.md", "ready")]
    found = json.loads(run(server.data_dir, "search", "otter species", "--json").stdout)
    assert "thirteen" in found["passages"][0]["text"]
    answer = run(server.data_dir, "ask", "How many species of otter are there?")
    assert "thirteen species of otter" in answer.stdout
    assert "[1] Otters" in answer.stdout
    frames = [json.loads(line) for line in run(server.data_dir, "ask", "otters sleep?", "--json").stdout.splitlines()]
    assert frames[-1]["type"] == "complete"
    text = "".join(f["content"] for f in frames if f["type"] == "answer_chunk")
    assert len(text) == frames[-1]["text_length"] > 0
    talk = run(server.data_dir, "chat", stdin="How many species of otter are there?\nAnd how do they sleep?\n")
    assert "thirteen" in talk.stdout
    assert "hold hands" in talk.stdout


def test_keys_open_the_server_from_elsewhere(server: ServerProcess, tmp_path: Path):
    made = json.loads(run(server.data_dir, "keys", "create", "--name", "robot", "--workspace", "Zoo", "--json").stdout)
    assert set(made) >= {"id", "key"}
    (tmp_path / "key").write_text(made["key"])
    remote = ["--url", server.url, "--key-file", str(tmp_path / "key")]
    assert json.loads(run(tmp_path / "nothing", "search", "x", "--json", *remote).stdout)["passages"] == []
    run(server.data_dir, "keys", "revoke", made["id"])
    refused = run(tmp_path / "nothing", "ask", "anything", *remote, code=3)
    assert refused.stderr.startswith("antiphon: ")
    assert made["key"] not in refused.stderr
    assert made["key"] not in run(server.data_dir, "keys", "list").stdout


def test_doctor_backup_and_a_restore_that_must_wait(server: ServerProcess, tmp_path: Path):
    told = json.loads(run(server.data_dir, "doctor", "--json").stdout)
    assert told["ok"]
    assert any(f["check"] == "server" and server.url in f["detail"] for f in told["findings"])
    assert json.loads(run(server.data_dir, "doctor", "--storage", "--json").stdout)["ok"]
    run(server.data_dir, "backup", str(tmp_path / "b.tar.gz"))
    refused = run(server.data_dir, "restore", "--yes", str(tmp_path / "b.tar.gz"), code=3)
    assert server.url in refused.stderr
    other = tmp_path / "other"
    run(other, "restore", "--yes", str(tmp_path / "b.tar.gz"))
    names = [w["name"] for w in json.loads(run(other, "documents", "--json").stdout)["documents"]]
    assert names == [d["name"] for d in json.loads(run(server.data_dir, "documents", "--json").stdout)["documents"]]


def test_without_a_server_the_folder_is_opened_here(tmp_path: Path):
    made = json.loads(run(tmp_path / "data", "keys", "create", "--name", "first", "--json").stdout)
    assert [k["id"] for k in json.loads(run(tmp_path / "data", "keys", "list", "--json").stdout)["items"]] == [made["id"]]
    assert not (tmp_path / "data" / "server.json").exists()
    assert run(tmp_path / "data", "ask", "anything", "--model", "nonesuch", code=1).stderr.startswith("antiphon: ")


def test_a_second_server_refuses_naming_the_first(server: ServerProcess):
    refused = run(server.data_dir, "serve", "--port", "0", code=3)
    assert server.url in refused.stderr
    assert str(server.process.pid) in refused.stderr


def test_serve_says_one_line_and_stops_cleanly(tmp_path: Path):
    environment = {**os.environ, "ANTIPHON_SAMPLE": "false"}
    command = [PROGRAM, "serve", "--port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("antiphon ready http://127.0.0.1:")
        info = json.loads((tmp_path / "server.json").read_text())
        assert (info["pid"], f"antiphon ready {info['url']}\n") == (process.pid, line)
        assert (tmp_path / "server.json").stat().st_mode & 0o777 == 0o600
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=15)
        assert process.returncode == 0
        assert time.monotonic() - begun < 10
        assert rest == ""
        assert "/sign-in#" in told


async def test_the_readmes_python_works(server: ServerProcess):
    info = json.loads((server.data_dir / "server.json").read_text())
    answer = ""
    async with AntiphonClient(info["url"], key=info["token"]) as client:
        async for event in client.ask("How many species of otter are there?"):
            if isinstance(event, AnswerChunk):
                answer += event.content
    assert "thirteen species" in answer


def test_the_readmes_socket_works(server: ServerProcess):
    info = json.loads((server.data_dir / "server.json").read_text())
    address = info["url"].replace("http", "ws") + "/ws/chat"
    with websockets.sync.client.connect(address, additional_headers={"Authorization": f"Bearer {info['token']}"}) as socket:
        socket.send("How many species of otter are there?")
        text = ""
        while "thirteen species" not in text:
            text += str(socket.recv(timeout=10))
    assert not text.startswith("{")
