"""Writes web/tests/fixtures/frames.json: frames of topics, and what antiphon.protocol.reducer makes of each.

The web app's reducers must agree with it frame by frame (web/tests/unit/state/agreement.test.ts). `make docs` writes it; `--check`
only says whether it is stale (tests/docs/test_web_types.py).
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from antiphon.protocol.reducer import TopicState

TARGET = Path(__file__).parent.parent / "web" / "tests" / "fixtures" / "frames.json"
Frame = dict[str, Any]
SESSION = "session:s"
SOURCE: Frame = {
    "n": 1, "source_id": "d:1:1", "workspace_id": "w", "document_id": "d", "version": 1, "title": "t", "media_type": "text/plain",
    "start": 0, "end": 4, "chunk_id": 1, "score": 0.5, "snippet": "s",
}  # fmt: skip


def by_hand() -> list[Frame]:
    """A run with emoji and Chinese, a duplicate, merged chunks, a stop, a gap, a second epoch, a text that does not fit."""
    run = {"topic": SESSION, "run_id": "r1", "message_id": "a1"}
    second = {"topic": SESSION, "run_id": "r2", "message_id": "a2"}
    return [
        {"type": "answer_chunk", "seq": 1, **run, "content": "before any snapshot", "offset": 0},
        {"type": "subscribed", "topic": SESSION, "epoch": "e1", "seq": 0, "mode": "snapshot"},
        {"type": "snapshot", "topic": SESSION, "epoch": "e1", "seq": 0, "messages": [], "active_runs": []},
        {"type": "user_message", "seq": 1, "topic": SESSION, "message_id": "u1", "content": "假期？", "run_id": "r1", "client_id": "c1"},
        {"type": "run_started", "seq": 2, **run, "kind": "chat", "model": "m", "attempt": 1},
        {"type": "status", "seq": 3, **run, "phase": "queued", "content": "…"},
        {"type": "status", "seq": 4, **run, "phase": "retrieving", "content": "…", "elapsed_ms": 12},
        {"type": "sources", "seq": 5, **run, "sources": [SOURCE]},
        {"type": "answer_chunk", "seq": 6, **run, "content": "😀 二十", "offset": 0},
        {"type": "answer_chunk", "seq": 6, **run, "content": "😀 二十", "offset": 0},
        {"type": "answer_chunk", "seq": 9, "prev_seq": 6, **run, "content": "天 [1]", "offset": 4},
        {"type": "citation", "seq": 10, **run, "n": 1, "source_id": "d:1:1", "start": 6, "end": 9},
        {"type": "usage", "seq": 11, **run, "prompt_tokens": 3, "tokens_per_s": 4.5},
        {"type": "complete", "seq": 12, **run, "status": "stopped", "text_length": 9, "stopped_by": {"id": "u", "name": "Ann"}},
        {"type": "user_message", "seq": 14, "topic": SESSION, "message_id": "u2", "content": "gap"},
        {"type": "subscribed", "topic": SESSION, "epoch": "e1", "seq": 12, "mode": "live"},
        {"type": "message_deleted", "seq": 13, "topic": SESSION, "message_id": "u1"},
        {"type": "subscribed", "topic": SESSION, "epoch": "e2", "seq": 3, "mode": "replay"},
        {"type": "snapshot", "topic": SESSION, "epoch": "e2", "seq": 3, "has_more": True, "active_runs": [{"run_id": "r2", "message_id": "a2", "state": "running"}],
         "messages": [{"id": "a2", "role": "assistant", "content": "𝄞ab", "state": "streaming", "sources": [], "citations": []}]},
        {"type": "answer_chunk", "seq": 4, **second, "content": "c", "offset": 3},
        {"type": "answer_replace", "seq": 5, **second, "content": "less", "reason": "policy"},
        {"type": "answer_chunk", "seq": 6, **second, "content": "!", "offset": 4},
        {"type": "error", "seq": 7, **second, "code": "model_error", "message": "no"},
        {"type": "message_updated", "seq": 8, **second, "changes": {"parent_id": "u9"}},
        {"type": "answer_chunk", "seq": 9, **second, "content": "?", "offset": 9},
        {"type": "complete", "seq": 10, **second, "status": "failed"},
        {"type": "snapshot", "topic": SESSION, "epoch": "e3", "seq": 0, "active_runs": [{"run_id": "r2", "message_id": "a2", "state": "running"}],
         "messages": [{"id": "a2", "role": "assistant", "content": "", "content_ref": "/x", "text_length": 7, "state": "streaming", "sources": [], "citations": []}]},
        {"type": "answer_chunk", "seq": 1, **second, "content": "休🙂", "offset": 7},
        {"type": "refusal", "seq": 2, **second, "reason": "low_evidence", "nearest": [{"document_id": "d", "title": "t"}], "searched": 9},
        {"type": "complete", "seq": 3, **second, "status": "completed", "text_length": 9},
        {"type": "suggestion", "seq": 4, **second, "suggestion_id": "s1", "kind": "extract", "text": "more?", "page": 3},
        {"type": "suggestion", "seq": 5, **second, "suggestion_id": "s2", "kind": "followup", "text": "and?",
         "command": {"type": "chat_message", "content": "and?", "scope": {"section": ["a"]}}},
        {"type": "suggestion", "seq": 6, **second, "suggestion_id": "s1", "kind": "extract", "text": "more!", "page": 3},
        {"type": "suggestion_dismissed", "seq": 7, **second, "suggestion_id": "s2"},
    ]  # fmt: skip


def by_chance(seed: int) -> list[Frame]:
    """Runs one after another, with frames doubled, left out and merged as a bad connection would."""
    chance = random.Random(seed)
    frames: list[Frame] = [{"type": "snapshot", "topic": SESSION, "epoch": "e", "seq": 0, "messages": [], "active_runs": []}]
    seq = 0

    def add(kind: str, run: int, /, **fields: Any) -> None:
        nonlocal seq
        seq += 1
        frames.append(
            {"type": kind, "topic": SESSION, "seq": seq, "run_id": f"r{run}", "message_id": f"a{run}", "timestamp": "t", **fields}
        )

    for run in range(chance.randint(1, 3)):
        add("user_message", run, message_id=f"u{run}", content="?", client_id="c", author={"id": "u"})
        add("run_started", run, kind="chat", model="m", attempt=1)
        text = ""
        for _ in range(chance.randint(0, 9)):
            kind = chance.choice(["answer_chunk", "answer_chunk", "status", "citation", "sources"])
            piece = "".join(chance.choices("a🙂𝒳休 ", k=chance.randint(1, 4)))
            if kind == "answer_chunk":
                add(kind, run, content=piece, offset=len(text) + (chance.random() < 0.05))
                text += piece
            elif kind == "status":
                add(kind, run, phase=chance.choice(["queued", "generating"]), content="…")
            elif kind == "citation":
                add(kind, run, n=1, source_id=None, start=0, end=1)
            else:
                add(kind, run, sources=[SOURCE])
        if chance.random() < 0.8:
            add("complete", run, status=chance.choice(["completed", "stopped", "failed", "interrupted"]), text_length=len(text))
    bad = [frames[0]]
    for frame in frames[1:]:
        if chance.random() < 0.06:
            continue
        bad += [frame] * (2 if chance.random() < 0.2 else 1)
    return bad


def steps(frames: list[Frame]) -> list[Frame]:
    state = TopicState(SESSION)
    told: list[Frame] = []
    for frame in frames:
        outcome = state.apply(json.loads(json.dumps(frame))).value
        told.append({
            "outcome": outcome, "position": state.position, "hasMore": state.has_more, "completed": dict(state.completed),
            "runs": [dict(run) for run in state.active_runs.values()],
            "messages": [json.loads(json.dumps(message)) for message in state.messages.values()],
        })  # fmt: skip
    return told


def render() -> str:
    scenarios = [by_hand(), *(by_chance(seed) for seed in range(12))]
    parts = [
        json.dumps({"frames": frames, "steps": steps(frames)}, ensure_ascii=False, separators=(",", ":")) for frames in scenarios
    ]
    return "[\n" + ",\n".join(parts) + "\n]\n"


def main() -> int:
    text = render()
    stale = not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text
    if "--check" in sys.argv[1:]:
        print("web/tests/fixtures/frames.json is " + ("stale: run `make docs`" if stale else "up to date"))
        return int(stale)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    print("web/tests/fixtures/frames.json " + ("written" if stale else "was up to date"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
