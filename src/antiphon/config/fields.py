"""Every field of the settings tree as documentation and `antiphon config` show it. Tests: tests/docs/test_settings.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from msgspec import Struct
from pydantic import BaseModel

from antiphon.config.settings import Settings

MASK = "***"


class SettingField(Struct, frozen=True, kw_only=True):
    """`name` is dotted (`limits.idle_s`); `unit` empty for names and switches; `default` as in the code."""

    name: str
    environment: str
    default: Any
    unit: str
    sentence: str
    secret: bool


def setting_fields() -> Iterator[SettingField]:
    """In the order of the code: top-level fields first, then group by group."""
    yield from _fields(Settings, ())


def _fields(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[SettingField]:
    groups: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            groups.append((name, field.annotation))
            continue
        extra = cast("dict[str, Any]", field.json_schema_extra or {})  # made by `setting`, a dict always
        yield SettingField(
            name=".".join([*path, name]), environment="_".join(["ANTIPHON", *path, name]).upper(), default=field.default,
            unit=str(extra.get("unit", "")), sentence=field.description or "", secret=bool(extra.get("secret", False)),
        )  # fmt: skip
    for name, group in groups:
        yield from _fields(group, (*path, name))


def effective_value(settings: Settings, field: SettingField) -> Any:
    """The value in force; a secret that is set shows as `***`."""
    value: Any = settings
    for part in field.name.split("."):
        value = getattr(value, part)
    if field.secret and value is not None:
        return MASK
    return str(value) if not isinstance(value, str | int | float | bool | None) else value
