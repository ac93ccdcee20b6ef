"""The pure client reducer: frames of one topic in, state out. Rules R2-R4 and R8 of docs/protocol.md section 6.

The same rules are in the TypeScript client. Knows no network: `TopicState.apply` says what to do with a frame, the
connection does it. Property tests: tests/properties/test_reducer.py (old snapshot + events == new snapshot).
"""

from __future__ import annotations

from enum import Enum
from typing import Any

Frame = dict[str, Any]


class Outcome(Enum):
    APPLIED = "applied"
    DUPLICATE = "duplicate"
    """seq <= last: dropped, harmless."""
    GAP = "gap"
    """Something is missing before this frame, or its text does not fit: subscribe again with `since`, or without when
    `position` is None afterwards."""
    MOVED = "moved"
    """The conversation goes on in a branch that is not known here: subscribe again, without `since`."""
    IGNORED = "ignored"
    """No seq, and nothing a topic's state depends on."""


class TopicState:
    """What a client knows of one topic. `messages` by id in order of arrival; `runs` by id; `nodes` by (run, node)."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.epoch: str | None = None
        self.last_seq = 0
        self.messages: dict[str, Frame] = {}
        self.active_runs: dict[str, Frame] = {}
        self.completed: dict[str, str] = {}
        self.documents: dict[str, Frame] = {}
        self.nodes: dict[str, Frame] = {}
        self.queue: dict[str, Frame] = {}
        self.has_more = False

    @property
    def position(self) -> dict[str, Any] | None:
        """`since` for the next subscribe; None before the first position."""
        return None if self.epoch is None else {"epoch": self.epoch, "seq": self.last_seq}

    def apply(self, frame: Frame) -> Outcome:
        kind = frame.get("type")
        if kind == "snapshot":
            self._replace(frame)
            return Outcome.APPLIED
        if kind == "subscribed":
            return self._subscribed(frame)
        seq = frame.get("seq")
        if seq is None:
            return Outcome.IGNORED
        if seq <= self.last_seq:
            return Outcome.DUPLICATE
        previous = frame.get("prev_seq", seq - 1)
        if self.epoch is None or previous != self.last_seq:
            return Outcome.GAP
        reduce = _REDUCERS.get(str(kind))
        fits = True if reduce is None else reduce(self, frame)
        if fits is not True:
            self.epoch = None
            return Outcome.MOVED if fits is Outcome.MOVED else Outcome.GAP
        self.last_seq = seq
        return Outcome.APPLIED

    def _subscribed(self, frame: Frame) -> Outcome:
        """A replay or live subscription must go on where we are; a snapshot frame follows otherwise."""
        if frame.get("mode") == "snapshot":
            return Outcome.APPLIED
        if self.epoch is not None and frame.get("epoch") != self.epoch:
            self.epoch = None
            return Outcome.GAP
        return Outcome.APPLIED

    def _replace(self, frame: Frame) -> None:
        self.epoch, self.last_seq = frame["epoch"], frame["seq"]
        self.messages = {message["id"]: dict(message) for message in frame.get("messages", [])}
        self.active_runs = {run["run_id"]: dict(run) for run in frame.get("active_runs", [])}
        self.completed = {}
        self.queue = {entry["run_id"]: dict(entry) for entry in frame.get("queue", [])}
        nodes: dict[str, Frame] = frame.get("state", {}).get("nodes", {})
        self.nodes = {ident: _own(node) for ident, node in nodes.items()}
        self.documents = {d["id"]: dict(d) for d in frame.get("state", {}).get("documents", [])}
        self.has_more = bool(frame.get("has_more", False))

    def text(self, message_id: str) -> str:
        return str(self.messages[message_id]["content"])

    @property
    def waiting(self) -> list[Frame]:
        """The questions that wait, next one first."""
        return sorted(self.queue.values(), key=lambda entry: (entry["position"], entry["run_id"]))

    def keep_up_to(self, message_id: str | None) -> bool:
        """What follows the message leaves the view (None: everything): the conversation goes on from there. False when the
        message is not in the view."""
        if message_id is not None and message_id not in self.messages:
            return False
        ids = list(self.messages)
        for later in ids if message_id is None else ids[ids.index(message_id) + 1 :]:
            del self.messages[later]
        return True


def _own(node: Frame) -> Frame:
    """A copy that may be changed."""
    lengths = {"text_length": dict(node["text_length"])} if "text_length" in node else {}
    return {**node, "text": dict(node.get("text", {})), **lengths}


def _message(state: TopicState, frame: Frame) -> Frame | None:
    return state.messages.get(str(frame.get("message_id")))


def _make_room(state: TopicState, message_id: str, parent_id: str | None, siblings: list[str]) -> bool | Outcome:
    """Before a new message: a conversation shows one branch, so that what does not lead to it leaves."""
    if not state.topic.startswith("session:") or message_id in state.messages or not state.messages:
        return True
    if parent_id is None and not siblings:  # said by a server that knows no branches
        return True
    return state.keep_up_to(parent_id) or Outcome.MOVED


def _with_siblings(state: TopicState, message: Frame, frame: Frame) -> Frame:
    """Siblings are of the conversation; whoever follows one run only is not told of later ones."""
    return {**message, "siblings": frame["siblings"]} if frame.get("siblings") and not state.topic.startswith("run:") else message


def _user_message(state: TopicState, frame: Frame) -> bool | Outcome:
    room = _make_room(state, frame["message_id"], frame.get("parent_id"), frame.get("siblings", []))
    if room is not True:
        return room
    message: Frame = {
        "id": frame["message_id"], "role": "user", "content": frame["content"], "state": "complete",
        "parent_id": frame.get("parent_id"), "run_id": frame.get("run_id"), "author": frame.get("author", {}),
        "client_id": frame.get("client_id"), "created_at": frame.get("timestamp"), "sources": [], "citations": [],
    }  # fmt: skip
    state.messages[frame["message_id"]] = _with_siblings(state, message, frame)
    return True


def _run_started(state: TopicState, frame: Frame) -> bool | Outcome:
    run_id, message_id = frame["run_id"], frame.get("message_id")
    state.queue.pop(run_id, None)
    if message_id and frame.get("parent_id"):
        room = _make_room(state, message_id, frame["parent_id"], frame.get("siblings", []))
        if room is not True:
            return room
    state.active_runs[run_id] = {"run_id": run_id, "message_id": message_id, "state": "running"}
    if message_id and message_id not in state.messages:
        parent = frame.get("parent_id") or next(
            (m["id"] for m in reversed(state.messages.values()) if m["role"] == "user" and m.get("run_id") == run_id), None
        )
        message: Frame = {
            "id": message_id, "role": "assistant", "content": "", "state": "streaming", "run_id": run_id, "parent_id": parent,
            "sources": [], "citations": [], "created_at": frame.get("timestamp"),
        }  # fmt: skip
        state.messages[message_id] = _with_siblings(state, message, frame)
    return True


def _run_queued(state: TopicState, frame: Frame) -> bool:
    keys = ("run_id", "content", "length", "position", "model", "author", "client_id")
    state.queue[frame["run_id"]] = {key: frame.get(key) for key in keys}
    return True


def _run_steered(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None:
        steer = {"id": frame["steer_id"], **{key: frame.get(key) for key in ("content", "offset", "author")}}
        message["steers"] = [*(s for s in message.get("steers", []) if s["id"] != steer["id"]), steer]
    return True


def _session_updated(state: TopicState, frame: Frame) -> bool | Outcome:
    """The active branch is everybody's: who does not have the messages of another one asks for them."""
    leaf = frame.get("changes", {}).get("leaf_message_id")
    if leaf is None or not state.topic.startswith("session:") or not state.messages:
        return True
    return state.keep_up_to(leaf) or Outcome.MOVED


def _feedback(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None:
        author = frame["author"]
        others = [entry for entry in message.get("feedback", []) if entry["author"]["id"] != author["id"]]
        if frame.get("rating") is not None:
            keys = ("rating", "created_at")
            others.append({"author": author, "comment": frame.get("comment", ""), **{key: frame.get(key) for key in keys}})
        message["feedback"] = others
    return True


def _status(state: TopicState, frame: Frame) -> bool:
    run = state.active_runs.get(str(frame.get("run_id")))
    if run is not None:
        run["state"] = "queued" if frame["phase"] == "queued" else "running"
    return True


def _sources(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None:
        message["sources"] = frame.get("sources", [])
    return True


def _refusal(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None:
        message["refusal"] = {
            key: frame[key] for key in ("reason", "nearest", "searched", "workspaces", "documents") if key in frame
        }
    return True


def _suggestion(state: TopicState, frame: Frame) -> bool:
    """Of one id there is one: a snapshot that was made a moment before may hold it already."""
    message = _message(state, frame)
    if message is not None:
        keys = ("suggestion_id", "kind", "text", "document_id", "anchor", "page", "command")
        others = [one for one in message.get("suggestions", []) if one["suggestion_id"] != frame["suggestion_id"]]
        message["suggestions"] = [*others, {key: frame[key] for key in keys if key in frame}]
    return True


def _suggestion_dismissed(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None and "suggestions" in message:
        left = [one for one in message["suggestions"] if one["suggestion_id"] != frame["suggestion_id"]]
        message["suggestions"] = left
    return True


def _citation(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None:
        keys = ("n", "source_id", "start", "end", "source_start", "source_end")
        message["citations"] = [*message["citations"], {key: frame[key] for key in keys if key in frame}]
    return True


def _answer_chunk(state: TopicState, frame: Frame) -> bool:
    """The chunk must begin exactly where the text ends (R4)."""
    message = _message(state, frame)
    if message is None:
        return False
    length = _text_length(message)
    if frame.get("offset", length) != length:
        return False
    if "content_ref" in message:  # the text is not here: only its length is kept up
        message["text_length"] = length + len(frame["content"])
    else:
        message["content"] += frame["content"]
    return True


def _text_length(message: Frame) -> int:
    return int(message["text_length"]) if "content_ref" in message else len(message["content"])


def _answer_replace(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None:
        message["content"] = frame["content"]
        message.pop("content_ref", None)
    return True


_MESSAGE_STATES = {"completed": "complete", "stopped": "stopped", "failed": "failed", "interrupted": "interrupted"}


def _complete(state: TopicState, frame: Frame) -> bool:
    run_id = str(frame.get("run_id"))
    state.active_runs.pop(run_id, None)
    state.queue.pop(run_id, None)
    state.completed[run_id] = frame["status"]
    for node in state.nodes.values():
        if node["state"] == "running":  # cut short: a node that came to its end has said so
            node["state"] = frame["status"]
    message = _message(state, frame)
    if message is not None:
        if frame.get("text_length", _text_length(message)) != _text_length(message):
            return False
        message["state"] = _MESSAGE_STATES[frame["status"]]
        if frame.get("stopped_by"):
            message["stopped_by"] = frame["stopped_by"].get("name")  # as a snapshot says it
    return True


def _error(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None:
        message["error"] = {"code": frame["code"], "message": frame["message"]}
    return True


def _usage(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None:
        envelope = {"type", "seq", "prev_seq", "topic", "timestamp", "session_id", "run_id", "message_id", "cause", "epoch"}
        message["usage"] = {key: value for key, value in frame.items() if key not in envelope}
    return True


def _message_updated(state: TopicState, frame: Frame) -> bool:
    message = _message(state, frame)
    if message is not None:
        message.update(frame.get("changes", {}))
    return True


def _message_deleted(state: TopicState, frame: Frame) -> bool:
    state.messages.pop(str(frame.get("message_id")), None)
    return True


def _node_started(state: TopicState, frame: Frame) -> bool:
    state.nodes[frame["node_id"]] = {"state": "running", "label": frame.get("label", ""), "text": {}}
    return True


def _node_chunk(state: TopicState, frame: Frame) -> bool:
    node = state.nodes.setdefault(frame["node_id"], {"state": "running", "label": "", "text": {}})
    port, texts = frame["port"], node["text"]
    lengths = node.get("text_length", {})  # of texts that a snapshot was too small for
    before = lengths.get(port, len(texts.get(port, "")))
    if frame.get("offset", before) != before:
        return False
    if port in lengths:
        lengths[port] = before + len(frame["content"])
    else:
        texts[port] = texts.get(port, "") + frame["content"]
    return True


def _node_ended(state: TopicState, frame: Frame) -> bool:
    node = state.nodes.setdefault(frame["node_id"], {"state": "running", "label": "", "text": {}})
    node["state"] = "finished" if frame["type"] == "node_finished" else "failed"
    return True


def _document(state: TopicState, frame: Frame) -> bool:
    document_id = frame["document_id"]
    if frame["type"] == "document_deleted":
        state.documents.pop(document_id, None)
        return True
    document = state.documents.setdefault(document_id, {"id": document_id})
    if frame["type"] == "document_progress":
        document.update(state=frame["stage"], pages_ready=frame.get("pages_ready", document.get("pages_ready", 0)))
    else:
        document["state"] = "ready" if frame["type"] == "document_ready" else "failed"
        if "error" in frame:
            document["error"] = frame["error"]
    return True


_REDUCERS = {
    "user_message": _user_message, "run_started": _run_started, "status": _status, "sources": _sources, "citation": _citation,
    "refusal": _refusal, "suggestion": _suggestion, "suggestion_dismissed": _suggestion_dismissed,
    "answer_chunk": _answer_chunk, "answer_replace": _answer_replace, "complete": _complete, "error": _error,
    "run_queued": _run_queued, "run_steered": _run_steered, "session_updated": _session_updated, "feedback": _feedback,
    "usage": _usage, "message_updated": _message_updated, "message_deleted": _message_deleted,
    "node_started": _node_started, "node_chunk": _node_chunk, "node_finished": _node_ended, "node_failed": _node_ended,
    "document_progress": _document, "document_ready": _document, "document_failed": _document,
    "document_deleted": _document,
}  # fmt: skip
