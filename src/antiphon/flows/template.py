"""A logic-less template language: names, `each` and `if` over plain data. Nothing is called, looked up in an object, or
expanded twice (security.md, G2). Called by the template node and by settings_schema.py (syntax check before any run).

    {{name}}                                    the value as text; None and unknown names give nothing
    {{#each list}} ... {{/each}}                once per entry; an entry that is an object brings its fields as names,
                                                any entry is `this`, `n` counts from 1
    {{#if name}} ... {{else}} ... {{/if}}       empty, 0, false and unknown are "no"

An `each` or `if` mark alone on its line leaves no empty line behind. Why not a library: docs/subsystems/flows.md.
Tests: tests/unit/flows/test_template.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from antiphon.core.errors import BadRequest

MAX_DEPTH: Final = 8
MAX_RENDERED_CHARACTERS: Final = 2_000_000
MAX_STEPS: Final = 200_000
"""Nested `each` over one list multiply: both limits end a template that would fill the memory or hold the loop."""

_TAG: Final = re.compile(r"\{\{([^{}\n]{0,200})\}\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")


@dataclass(slots=True)
class Section:
    """A parsed piece: text and names in `body`; `other` is what stands after `{{else}}`."""

    kind: Literal["root", "each", "if"]
    name: str = ""
    body: list[Part] = field(default_factory=list["Part"])
    other: list[Part] = field(default_factory=list["Part"])
    in_else: bool = False

    def add(self, part: Part) -> None:
        (self.other if self.in_else else self.body).append(part)


@dataclass(frozen=True, slots=True)
class Name:
    name: str


Part = str | Name | Section


def parse_template(text: str) -> Section:
    """The template as a tree. Raises BadRequest naming the line of a mark that is wrong, or was never closed."""
    root = Section("root")
    stack = [root]
    position = 0
    for tag in _TAG.finditer(text):
        mark = tag[1].strip()
        block = mark.startswith(("#", "/")) or mark == "else"
        start, end = _own_line(text, tag.start(), tag.end()) if block else (tag.start(), tag.end())
        if start > position:
            stack[-1].add(text[position:start])
        position = end
        _apply(stack, mark, text.count("\n", 0, tag.start()) + 1)
    if len(stack) > 1:
        raise BadRequest(f"The template never closes {{{{#{stack[-1].kind} {stack[-1].name}}}}}.")
    if position < len(text):
        root.add(text[position:])
    return root


def render_template(template: Section, values: Mapping[str, Any]) -> str:
    """The text for plain `values` (text, numbers, booleans, None, lists and dicts of them). Values are never parsed.

    Raises BadRequest when the result would pass MAX_RENDERED_CHARACTERS or take more than MAX_STEPS."""
    rendering = _Rendering()
    rendering.parts(template.body, (values,))
    return "".join(rendering.pieces)


def _own_line(text: str, start: int, end: int) -> tuple[int, int]:
    """The range of a mark, widened to its whole line when nothing else but blanks stands on it."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end + 1
    if text[line_start:start].strip() or text[end:line_end].strip():
        return start, end
    return line_start, line_end


def _apply(stack: list[Section], mark: str, line: int) -> None:
    word, _, name = mark.partition(" ")
    name = name.strip()
    if word in ("#each", "#if") and _NAME.match(name):
        if len(stack) > MAX_DEPTH:
            raise BadRequest(f"Line {line} of the template: sections are nested more than {MAX_DEPTH} deep.")
        section = Section("each" if word == "#each" else "if", name)
        stack[-1].add(section)
        stack.append(section)
    elif mark in ("/each", "/if") and stack[-1].kind == mark[1:]:
        stack.pop()
    elif mark == "else" and stack[-1].kind == "if" and not stack[-1].in_else:
        stack[-1].in_else = True
    elif _NAME.match(mark) and mark != "else":
        stack[-1].add(Name(mark))
    else:
        raise BadRequest(
            f"Line {line} of the template: {{{{{mark}}}}} is not understood here; there are {{{{name}}}}, "
            "{{#each name}}, {{#if name}}, {{else}}, {{/each}} and {{/if}}."
        )


class _Rendering:
    """`scopes` is innermost first; a name is a key of a mapping, never an attribute."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.characters = 0
        self.steps = 0

    def parts(self, parts: list[Part], scopes: tuple[Mapping[str, Any], ...]) -> None:
        self.step(len(parts))
        for part in parts:
            if isinstance(part, str):
                self.text(part)
            elif isinstance(part, Name):
                self.text(_as_text(_find(part.name, scopes)))
            elif part.kind == "if":
                self.parts(part.body if _find(part.name, scopes) else part.other, scopes)
            else:
                self.each(part, scopes)

    def each(self, section: Section, scopes: tuple[Mapping[str, Any], ...]) -> None:
        entries = _find(section.name, scopes)
        if not isinstance(entries, list):
            return
        for n, entry in enumerate(cast("list[Any]", entries), start=1):
            fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
            self.step(1)
            self.parts(section.body, (fields, {"this": entry, "n": n}, *scopes))

    def text(self, text: str) -> None:
        self.characters += len(text)
        if self.characters > MAX_RENDERED_CHARACTERS:
            raise BadRequest(f"The template gives more than {MAX_RENDERED_CHARACTERS} characters; shorten its lists.")
        self.pieces.append(text)

    def step(self, count: int) -> None:
        self.steps += count
        if self.steps > MAX_STEPS:
            raise BadRequest(f"The template takes more than {MAX_STEPS} steps; nest fewer lists in each other.")


def _find(name: str, scopes: tuple[Mapping[str, Any], ...]) -> Any:
    for scope in scopes:
        if name in scope:
            return scope[name]
    return None


def _as_text(value: Any) -> str:
    """Plain values only: a list or an object has no text of its own."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    return ""
