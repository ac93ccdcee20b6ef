"""The subset of JSON Schema that node settings are described with: checking, defaults, and refusing what is not in it.

An own checker, because a keyword that no editor can draw as a form, or a `$ref` that reaches out, must be refused when a
node type is registered, not passed over; the reasons against the `jsonschema` package are in docs/subsystems/flows.md.
Called by validate.py, plan.py and plugins/manager.py. Tests: tests/unit/flows/test_settings_schema.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from antiphon.core.errors import BadRequest
from antiphon.flows.template import parse_template

_MAX_DEPTH: Final = 16
_ANNOTATIONS: Final = frozenset({"$schema", "$comment", "title", "description", "default", "examples", "deprecated"})
_CHECKED: Final = frozenset({
    "type", "enum", "const", "format", "properties", "required", "additionalProperties", "items",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems",
})  # fmt: skip
_LISTS: Final = ("enum", "required")
_NUMBERS: Final = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems",
)  # fmt: skip
KEYWORDS: Final = _ANNOTATIONS | _CHECKED
FORMATS: Final = frozenset({"template", "multiline"})
"""`template`: text in the language of template.py, its syntax is checked. `multiline`: a hint for editors only."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": _is_number,
    "integer": lambda v: _is_number(v) and float(v).is_integer(),
}
_NUMBER_LIMITS: Final[dict[str, tuple[Callable[[Any, Any], bool], str]]] = {
    "minimum": (lambda v, limit: v >= limit, "at least"),
    "maximum": (lambda v, limit: v <= limit, "at most"),
    "exclusiveMinimum": (lambda v, limit: v > limit, "more than"),
    "exclusiveMaximum": (lambda v, limit: v < limit, "less than"),
}


def schema_faults(schema: Mapping[str, Any], *, place: str = "settings", depth: int = 0) -> list[str]:
    """What is wrong with a settings schema itself; [] when the checker below understands every word of it."""
    if depth > _MAX_DEPTH:
        return [f"{place}: nested more than {_MAX_DEPTH} deep."]
    faults = [f"{place}: the keyword {word!r} is not supported." for word in schema if word not in KEYWORDS]
    faults += [f"{place}: there is no type {name!r}." for name in _types_of(schema) if name not in tuple(_TYPES)]
    faults += [f"{place}: {word!r} is a list." for word in _LISTS if not isinstance(schema.get(word, []), list)]
    faults += [f"{place}: {word!r} is a number." for word in _NUMBERS if not _is_number(schema.get(word, 0))]
    if "format" in schema and schema["format"] not in tuple(FORMATS):
        faults.append(f"{place}: there is no format {schema['format']!r}.")
    if not isinstance(schema.get("additionalProperties", False), bool):
        faults.append(f"{place}: 'additionalProperties' is true or false.")
    if depth == 0 and schema and _types_of(schema) != ["object"]:
        faults.append(f"{place}: the type of all settings together is 'object'.")
    children: list[tuple[str, Any]] = [("items", schema["items"])] if "items" in schema else []
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        return [*faults, f"{place}: 'properties' is an object."]
    children += cast("dict[str, Any]", properties).items()
    for name, child in children:
        if not isinstance(child, dict):
            faults.append(f"{place}.{name}: a schema is an object.")
            continue
        faults += schema_faults(cast("dict[str, Any]", child), place=f"{place}.{name}", depth=depth + 1)
    if not faults and "default" in schema:
        faults += settings_faults(schema, schema["default"], place=f"{place} (default)")
    return faults


def settings_faults(schema: Mapping[str, Any], value: Any, *, place: str = "settings") -> list[str]:
    """What is wrong with `value`; each sentence begins with the place. Unlike plain JSON Schema, an object takes no
    unknown properties unless the schema says `additionalProperties: true`."""
    return list(_faults(schema, value, place, 0))


def fill_defaults(schema: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the schema's defaults for what is not given, also inside nested objects; arrays are left alone."""
    filled = dict(value)
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    for name, child in properties.items():
        if name not in filled and "default" in child:
            filled[name] = child["default"]
        if isinstance(filled.get(name), dict):
            filled[name] = fill_defaults(child, filled[name])
    return filled


def _types_of(schema: Mapping[str, Any]) -> list[Any]:
    """The names of the allowed types; [] when any is."""
    named = schema.get("type", [])
    return list(cast("list[Any]", named)) if isinstance(named, list) else [named]


def _faults(schema: Mapping[str, Any], value: Any, place: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        yield f"{place}: nested more than {_MAX_DEPTH} deep."
        return
    types = _types_of(schema)
    if types and not any(_TYPES[name](value) for name in types):
        yield f"{place}: must be {' or '.join(types)}, not {_shown(value)}."
        return
    if "enum" in schema and not any(_same(value, choice) for choice in schema["enum"]):
        yield f"{place}: must be one of {', '.join(map(_shown, schema['enum']))}, not {_shown(value)}."
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{place}: must be {_shown(schema['const'])}."
    if isinstance(value, str):
        yield from _text_faults(schema, value, place)
    elif isinstance(value, dict) and (depth == 0 or "object" in types):
        yield from _object_faults(schema, cast("dict[Any, Any]", value), place, depth)
    elif isinstance(value, list):
        yield from _array_faults(schema, cast("list[Any]", value), place, depth)
    elif _is_number(value):
        for word, (holds, words) in _NUMBER_LIMITS.items():
            if word in schema and not holds(value, schema[word]):
                yield f"{place}: must be {words} {schema[word]}, not {value}."


def _text_faults(schema: Mapping[str, Any], value: str, place: str) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield f"{place}: must have at least {schema['minLength']} characters."
    if len(value) > schema.get("maxLength", math.inf):
        yield f"{place}: must have at most {schema['maxLength']} characters, not {len(value)}."
    elif schema.get("format") == "template":
        try:
            parse_template(value)
        except BadRequest as error:
            yield f"{place}: {error.message}"


def _object_faults(schema: Mapping[str, Any], value: Mapping[Any, Any], place: str, depth: int) -> Iterator[str]:
    properties: dict[str, Any] = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}.{name}: is missing."
    for name, entry in value.items():
        if not isinstance(name, str):
            yield f"{place}: names are text, not {_shown(name)}."
        elif name in properties:
            yield from _faults(properties[name], entry, f"{place}.{name}", depth + 1)
        elif not schema.get("additionalProperties", False):
            yield f"{place}.{name}: there is no such setting."


def _array_faults(schema: Mapping[str, Any], value: list[Any], place: str, depth: int) -> Iterator[str]:
    if len(value) < schema.get("minItems", 0):
        yield f"{place}: must have at least {schema['minItems']} entries."
    if len(value) > schema.get("maxItems", math.inf):
        yield f"{place}: must have at most {schema['maxItems']} entries, not {len(value)}."
        return
    if "items" in schema:
        for index, entry in enumerate(value):
            yield from _faults(schema["items"], entry, f"{place}[{index}]", depth + 1)


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON values: true is not 1."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
