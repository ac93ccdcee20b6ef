"""Every setting has its sentence and unit, its environment name works, and nothing is settable that is not documented."""

from __future__ import annotations

import os

import pytest

from antiphon.config import load_settings
from antiphon.config.fields import effective_value, setting_fields
from antiphon.config.settings import Settings

FIELDS = list(setting_fields())
UNITS = {"_s": "s", "_ms": "ms", "_bytes": "bytes", "_tokens": "tokens", "_characters": "characters"}
OTHER_VALUES = {
    "host": "127.0.0.9", "data_dir": "/elsewhere", "owner_key": "k" * 40, "failpoint": "run.after_chunk", "plugins": "x",
    "secret_key": "s" * 40, "chat.kind": "anthropic", "chat.context_tokens": 4096,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("ANTIPHON_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_setting_says_what_it_is(field):
    assert len(field.sentence.split()) >= 2
    assert field.sentence.endswith(".")
    for ending, unit in UNITS.items():
        if field.name.endswith(ending):
            assert field.unit == unit


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_its_environment_name_works(field, monkeypatch):
    value = {"embed.mode": "local", "rerank.mode": "none"}.get(field.name) or _another(field)
    monkeypatch.setenv(field.environment, str(value))
    settings = load_settings()
    assert effective_value(settings, field) == ("***" if field.secret else value)


def _another(field):
    if field.name in OTHER_VALUES:
        return OTHER_VALUES[field.name]
    match field.default:
        case bool():
            return not field.default
        case int():
            return field.default - 1 if field.default > 20 else field.default + 1
        case float():
            return field.default * 0.99 if field.default else 1.5
        case str():
            return "warning" if field.name.endswith("level") else "other"
    annotation = str(_annotation(field.name))
    return 0.5 if "float" in annotation else 5 if "int" in annotation else "other"


def _annotation(name: str):
    model = Settings
    *groups, last = name.split(".")
    for group in groups:
        model = model.model_fields[group].annotation
    return model.model_fields[last].annotation


def test_there_are_as_many_as_the_tree_has():
    def count(model) -> int:
        fields = model.model_fields.values()
        return sum(count(f.annotation) if hasattr(f.annotation, "model_fields") else 1 for f in fields)

    assert len(FIELDS) == count(Settings) == len({field.environment for field in FIELDS})


def test_the_fixed_names_of_limits_models_and_hooks_exist():
    names = {field.environment for field in FIELDS}
    fixed = {
        "ANTIPHON_HOST", "ANTIPHON_PORT", "ANTIPHON_DATA_DIR", "ANTIPHON_OWNER_KEY", "ANTIPHON_FAILPOINT",
        "ANTIPHON_RUNS_MAX", "ANTIPHON_RUN_TIMEOUT_S", "ANTIPHON_LIMITS_MESSAGES_PER_MINUTE",
        "ANTIPHON_LIMITS_CONNECTIONS_PER_USER", "ANTIPHON_LIMITS_CONNECTIONS", "ANTIPHON_LIMITS_FRAME_BYTES",
        "ANTIPHON_LIMITS_IDLE_S",
    } | {f"ANTIPHON_{kind}_{what}" for kind in ("CHAT", "EMBED", "RERANK") for what in ("BASE_URL", "MODEL", "API_KEY")}  # fmt: skip
    assert fixed <= names
