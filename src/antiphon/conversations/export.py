"""A session as a file: JSON (everything, exact) or Markdown (for people). Pure. Tests: tests/unit/conversations/test_export.py.

An exported Markdown file is opened by programs we do not know. What people typed is escaped whole; an answer keeps its
Markdown, but nothing in it may run or load by itself: raw HTML is escaped, pictures become links, and addresses that are not of
the web are marked `unsafe:`, all outside of code. Text that starts like a spreadsheet formula is escaped too.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any, Final

from antiphon.conversations.messages import message_json
from antiphon.conversations.sessions import session_json
from antiphon.storage.records.rows import MessageRow, SessionRow

EXPORT_FORMAT: Final = "antiphon.session.v1"
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~&$-])")
_FORMULA = re.compile(r"(?m)^(\s*)([=@])")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_PICTURE = re.compile(r"!(?=\[)")
_LINK = re.compile(r"(\]\(\s*<?|\]:\s*<?)([^\s)>]+)")
"""The address of a link, or of a link's definition."""
_LINE = re.compile(r"^(\s*<?)([^\s)>]+)")
"""The first word of a line: an address, when the line before ends in `](`."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SAFE_SCHEMES = frozenset({"http", "https", "mailto"})
_RUNNING_SCHEMES = frozenset({"javascript", "vbscript", "data", "file"})
_STATES = {"stopped": "stopped", "failed": "failed", "interrupted": "interrupted", "streaming": "still being written"}


def session_as_json(session: SessionRow, messages: list[MessageRow]) -> dict[str, Any]:
    return {
        "format": EXPORT_FORMAT,
        "session": session_json(session),
        "messages": [message_json(message) for message in messages],
    }


def session_as_markdown(session: SessionRow, messages: list[MessageRow]) -> str:
    """UTF-8 text, one heading for each message, the sources of an answer below it."""
    parts = [f"# {escape_markdown(session.title) or 'Conversation'}"]
    for message in messages:
        if message.role == "user":
            parts += [f"## {escape_markdown(message.author_name or 'Question')}", escape_markdown(message.content)]
            continue
        state = _STATES.get(message.state)
        parts += ["## Answer" + (f" ({state})" if state else ""), tame_markdown(message.content)]
        if message.sources:
            parts.append("\n".join(_source_line(source) for source in message.sources))
    return "\n\n".join(part for part in parts if part) + "\n"


def escape_markdown(text: str) -> str:
    """`text` so that Markdown shows it as it is: specials escaped, line ends kept as hard breaks."""
    escaped = _FORMULA.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))
    escaped = re.sub(r"(?m)^(\s*\d+)([.)])", r"\1\\\2", escaped)
    lines = [line.lstrip(" \t") if line.startswith(("    ", "\t")) else line for line in escaped.splitlines()]
    return "\\\n".join(lines).replace("\\\n\\\n", "\n\n")


def tame_markdown(text: str) -> str:
    """Markdown that stays Markdown, without anything that runs or loads by itself."""
    lines: list[str] = []
    fence: str | None = None
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence is not None:
            lines.append(line)
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = None
        elif mark:
            fence = mark[1]
            lines.append(line)
        else:
            lines.append(_tame_line(line))
    if fence is not None:
        lines.append(fence)  # an answer cut inside a code block must not swallow the messages after it
    return "\n".join(lines)


def _tame_line(line: str) -> str:
    pieces: list[str] = []
    position = 0
    for span in _CODE_SPAN.finditer(line):
        pieces += [_tame_text(line[position : span.start()]), span[0]]
        position = span.end()
    return "".join([*pieces, _tame_text(line[position:])])


def _tame_text(text: str) -> str:
    text = _FORMULA.sub(r"\1\\\2", text)
    text = _PICTURE.sub("", _TAG.sub("&lt;", text))
    text = _LINK.sub(lambda found: _marked(found, unsafe=_scheme(found[2]) not in {"", *_SAFE_SCHEMES}), text)
    return _LINE.sub(lambda found: _marked(found, unsafe=_scheme(found[2]) in _RUNNING_SCHEMES), text)


def _scheme(address: str) -> str:
    """As a renderer reads it: entities decoded, control characters dropped."""
    named = _SCHEME.match("".join(character for character in unescape(address) if character > " "))
    return named[1].lower() if named else ""


def _marked(found: re.Match[str], *, unsafe: bool) -> str:
    return f"{found[1]}unsafe:{found[2]}" if unsafe else found[0]


def _source_line(source: dict[str, Any]) -> str:
    place = f", page {source['page']}" if source.get("page") is not None else ""
    return f"- \\[{source.get('n')}\\] {escape_markdown(str(source.get('title', '')))}{place}"
