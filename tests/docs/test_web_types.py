"""What the web app's code takes from Python is fresh: `make docs` writes it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["generate_web_types", "generate_web_fixtures"])
def test_it_is_up_to_date(name: str) -> None:
    made = script(name)
    assert made.TARGET.read_text(encoding="utf-8") == made.render(), "run `make docs`"


def test_each_event_of_the_server_has_its_type() -> None:
    made = script("generate_web_types")
    text = made.render()
    for event in (*made.DURABLE_EVENTS, *made.EPHEMERAL_EVENTS):
        assert f'readonly type: "{event.__struct_config__.tag}";' in text
