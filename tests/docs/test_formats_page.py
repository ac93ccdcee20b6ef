"""docs/formats.md says what the code reads and refuses. Its figures come from a run over a folder of documents."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from antiphon.ingest.media_names import ADVICE
from antiphon.ingest.parsers import BUILT_IN_PARSERS


@pytest.fixture(scope="module")
def formats():
    path = Path(__file__).parents[2] / "scripts" / "generate_formats.py"
    spec = importlib.util.spec_from_file_location("generate_formats", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_media_type_that_is_read_or_refused_is_in_the_page(formats):
    page = formats.PAGE.read_text(encoding="utf-8")
    claimed = {media_type for spec in BUILT_IN_PARSERS for media_type in spec.media_types}
    missing = sorted(name for name in claimed | set(ADVICE) if f"`{name}`" not in page)
    assert not missing, "run `python scripts/generate_formats.py DATA`"


def test_what_the_code_alone_decides_is_fresh(formats):
    page = formats.PAGE.read_text(encoding="utf-8")
    for section in (formats.formats_section(), formats.refusals_section()):
        assert "\n".join(section) in page, "run `python scripts/generate_formats.py DATA`"


def test_passwords_are_found_in_both_places_of_the_manifest(formats):
    assert formats.password_of({"password": "abc", "trait": 'x (password "y")'}) == "abc"
    assert formats.password_of({"password": "", "trait": 'truncated / protected (password "tika")'}) == "tika"
    assert formats.password_of({"trait": "password in pdf.js"}) is None
