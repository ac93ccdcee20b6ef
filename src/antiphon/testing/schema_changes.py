"""`breaking_changes`: what of a change to the realtime protocol breaks a program that was written against the description before.

Down (events): nothing may vanish, become optional, change its type or take a further value of a closed list. Up (commands):
nothing may vanish, become required, change its type or lose a value. Additions break nothing (docs/protocol.md, principle 5).
Tests: tests/unit/server/test_asyncapi.py.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def breaking_changes(before: Schema, after: Schema) -> list[str]:
    """A sentence for each break between two AsyncAPI documents; empty: none."""
    found: list[str] = []
    now: Schema = after["components"]["messages"]
    for name in before["components"]["messages"]:
        if name not in now:
            found.append(f"{name} is gone")
            continue
        upward = name.startswith("command_")
        found += [f"{name}: {what}" for what in _of_object(_schema(before, name), _schema(after, name), upward=upward)]
    found += [f"close code {code} is gone" for code in before["x-close-codes"] if code not in after["x-close-codes"]]
    found += [f"error code {code} is gone" for code in before["x-error-codes"] if code not in after["x-error-codes"]]
    return found


def _schema(document: Schema, name: str) -> Schema:
    return document["components"]["schemas"][name]


def _of_object(before: Schema, after: Schema, *, upward: bool) -> list[str]:
    found: list[str] = []
    fields: Schema = after["properties"]
    for name, old in before["properties"].items():
        if name not in fields:
            found.append(f"{name} is gone")
        else:
            found += [f"{name} {what}" for what in _of_value(old, fields[name], upward=upward)]
    was, is_now = set(before.get("required", [])), set(after.get("required", []))
    if upward:
        found += [f"{name} is demanded now" for name in sorted(is_now - was)]
    else:
        found += [f"{name} may be missing now" for name in sorted((was - is_now) & set(fields))]
    return found


def _of_value(old: Schema, new: Schema, *, upward: bool) -> list[str]:
    """Types may grow upward (more is accepted) and shrink downward (less is sent), never the other way."""
    before, after = _kinds(old), _kinds(new)
    lost, gained = before - after, after - before
    wrong = lost if upward else gained
    if not before or not after:  # anything at all
        return []
    return [f"was {sorted(before)}, is {sorted(after)}"] if wrong or (not upward and not before & after) else []


def _kinds(schema: Schema) -> set[str]:
    """Types, references and values that a schema lets through; empty: all."""
    if "anyOf" in schema:
        return set[str]().union(*(_kinds(member) for member in schema["anyOf"]))
    if "enum" in schema:
        return {repr(value) for value in schema["enum"]}
    if "const" in schema:
        return {repr(schema["const"])}
    if "$ref" in schema:
        return {str(schema["$ref"])}
    kind = schema.get("type")
    return {str(kind)} if kind else set()
