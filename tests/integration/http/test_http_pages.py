"""The plain pages: what they are made of, that they load nothing from elsewhere, and that their reducer is the Python one."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import antiphon.server.page_routes
import pytest
from antiphon.server.page_routes import _host_source

from antiphon.protocol.reducer import TopicState

PAGES = Path(antiphon.server.page_routes.__file__).parent / "pages"
TESTIDS = {
    "composer", "send", "stop", "message", "citation", "source", "status-line", "connection-state", "upload-zone", "document-row",
    "session-row", "new-session",
}  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/sign-in", "/docs/api"])
async def test_a_page_loads_itself_and_nothing_else(house, http, path):
    async with http.get(house.url + path) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert "'unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page)
    for reference in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert reference.startswith(("/", "#")), reference
        if not reference.startswith("#"):
            async with http.get(house.url + reference.split("#")[0]) as answer:
                assert answer.status == 200, reference


async def test_static_files_are_revalidated_and_end_at_their_folder(house, http):
    async with http.get(f"{house.url}/static/page.js") as answer:
        assert answer.content_type == "text/javascript"
        tag = answer.headers["ETag"]
    async with http.get(f"{house.url}/static/page.js", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
    for path in ("/static/index.html", "/static/%2e%2e%2fapp.py", "/static/..%2fapp.py", "/static/nope.js", "/static/"):
        async with http.get(house.url + path) as answer:
            assert answer.status == 404, path


def test_what_is_no_host_is_not_named_in_a_policy():
    for host in ("a.example; script-src *", "a.example *", "a.example,", "a'b", "", "例.example"):
        assert _host_source(host) == "localhost"
    for host in ("a.example:8000", "[::1]:80", "127.0.0.1"):
        assert _host_source(host) == host


async def test_a_host_header_adds_no_directive(house, http):
    async with http.get(f"{house.url}/", headers={"Host": "localhost; script-src *"}) as answer:
        assert "script-src *" not in answer.headers.get("Content-Security-Policy", "")


def test_scripts_put_data_in_as_text_only():
    whole = "\n".join(path.read_text(encoding="utf-8") for path in PAGES.glob("*.js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|https?://", whole)


def test_the_fixed_test_ids_are_there():
    whole = "\n".join(path.read_text(encoding="utf-8") for path in PAGES.iterdir())
    for name in TESTIDS:
        assert re.search(rf'data-testid"?[=:]\s*"{name}"', whole), name


def test_every_text_is_there_in_both_languages():
    source = (PAGES / "texts.js").read_text(encoding="utf-8")
    english, chinese = source.split("\n  zh: {")
    parts = (english.split("en: {")[1], chinese.split("\n};")[0])
    keys = [set(re.findall(r"[,{]\s+(\w+): ", "{ " + part)) for part in parts]
    assert keys[0] == keys[1]
    used = set(re.findall(r'data-text="(\w+)"', "".join(p.read_text(encoding="utf-8") for p in PAGES.glob("*.html"))))
    assert used <= keys[0]


def _frames() -> list[dict]:
    """A run with emoji and Chinese, a duplicate, merged chunks, a stop, documents, then a second epoch."""
    run = {"topic": "session:s", "run_id": "r1", "message_id": "a1"}
    return [
        {"type": "subscribed", "topic": "session:s", "epoch": "e1", "seq": 0, "mode": "snapshot"},
        {"type": "snapshot", "topic": "session:s", "epoch": "e1", "seq": 0, "messages": [], "active_runs": []},
        {"type": "user_message", "seq": 1, "topic": "session:s", "message_id": "u1", "content": "假期？", "run_id": "r1"},
        {"type": "run_started", "seq": 2, **run, "kind": "chat", "model": "m", "attempt": 1},
        {"type": "status", "seq": 3, **run, "phase": "retrieving", "content": "…"},
        {"type": "sources", "seq": 4, **run, "sources": [{"n": 1, "source_id": "x", "title": "t", "snippet": "s"}]},
        {"type": "answer_chunk", "seq": 5, **run, "content": "😀 二十", "offset": 0},
        {"type": "answer_chunk", "seq": 5, **run, "content": "😀 二十", "offset": 0},
        {"type": "answer_chunk", "seq": 8, "prev_seq": 5, **run, "content": "天 [1]", "offset": 4},
        {"type": "citation", "seq": 9, **run, "n": 1, "source_id": "x", "start": 6, "end": 9},
        {"type": "complete", "seq": 10, **run, "status": "stopped", "text_length": 9, "stopped_by": {"id": "u", "name": "Ann"}},
        {"type": "user_message", "seq": 12, "topic": "session:s", "message_id": "u2", "content": "gap"},
        {"type": "subscribed", "topic": "session:s", "epoch": "e2", "seq": 3, "mode": "snapshot"},
        {"type": "snapshot", "topic": "session:s", "epoch": "e2", "seq": 3, "active_runs": [{"run_id": "r2", "message_id": "a2"}], "messages": [
            {"id": "a2", "role": "assistant", "content": "𝄞ab", "state": "streaming", "sources": [], "citations": []}]},
        {"type": "answer_chunk", "seq": 4, "topic": "session:s", "run_id": "r2", "message_id": "a2", "content": "c", "offset": 3},
        {"type": "answer_chunk", "seq": 5, "topic": "session:s", "run_id": "r2", "message_id": "a2", "content": "!", "offset": 9},
    ]  # fmt: skip


async def test_the_pages_reducer_agrees_with_the_python_one():
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no `node` here to run the page's script with")
    script = f"""
        import {{ TopicState }} from {json.dumps((PAGES / "topic_state.js").as_uri())};
        const state = new TopicState("session:s"), steps = [];
        for (const frame of {json.dumps(_frames())}) {{
          const outcome = state.apply(frame);
          steps.push([outcome, state.seq, state.position, [...state.messages.values()].map(m => [m.id, m.role, m.content, m.state,
            m.citations.length, m.sources.length]), [...state.runs.keys()]]);
        }}
        console.log(JSON.stringify(steps));
    """
    process = await asyncio.create_subprocess_exec(
        node, "--input-type=module", "-e", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, problem = await process.communicate()
    assert process.returncode == 0, problem.decode()
    state, expected = TopicState("session:s"), []
    for frame in _frames():
        outcome = state.apply(frame).value.replace("duplicate", "ignored")
        messages = [
            [m["id"], m["role"], m["content"], m["state"], len(m["citations"]), len(m["sources"])]
            for m in state.messages.values()
        ]
        expected.append([outcome, state.last_seq, state.position, messages, list(state.active_runs)])
    got = json.loads(out)
    for index, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        assert mine == theirs, index
    assert [step[0] for step in got][-1] == "gap"
    assert got[10][3][1][2] == "😀 二十天 [1]"
