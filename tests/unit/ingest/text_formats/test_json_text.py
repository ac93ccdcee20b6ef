from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.errors import BadRequest
from antiphon.ingest.composition import Composition
from antiphon.ingest.text_formats.json_text import add_json, open_json
from antiphon.ingest.text_formats.json_tokens import looks_like_json


def text_of(source: str) -> str:
    composition = Composition()
    add_json(composition, source)
    return composition.text()


def test_each_value_is_a_line_with_its_path() -> None:
    source = json.dumps({"name": "Li", "leave": {"days": [7, True, None], "a.b": "x\ny"}, "empty": {}}, ensure_ascii=True)
    assert (
        text_of(source)
        == 'name: Li\n\nleave\nleave.days[0]: 7\nleave.days[1]: true\nleave.days[2]: null\nleave."a.b": x\ny\n\nempty'
    )


def test_records_stay_apart() -> None:
    assert text_of('[{"a": 1, "b": 2}, {"a": 3}]') == "[0].a: 1\n[0].b: 2\n\n[1].a: 3"
    assert text_of('{"a": 1}\n{"a": "二"}\n') == "a: 1\n\na: 二"


def test_the_outline_is_the_outermost_object(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('{"one": {"a": 1}, "two": [2], "three": 3}')
    document = open_json(path, None)
    text = next(document.pages()).text
    assert [heading.title for heading in document.outline()] == ["one", "two"]
    assert all(text.startswith(heading.title, heading.start) for heading in document.outline())


def test_what_is_no_json_is_kept() -> None:
    assert text_of('{"a": 1, oops "b"}') == 'a: 1\n\noops "b"}'
    assert text_of('{"a": "\\ud800x"}') in {"a: x", "a: \\ud800x"}


@pytest.mark.parametrize("source", ["[" * 50_000 + "1" + "]" * 50_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "[1," * 50_000])
def test_c6_nesting_50000_deep_is_bounded(source: str) -> None:
    started = time.perf_counter()
    assert len(text_of(source)) < 6_000_000
    assert time.perf_counter() - started < 5


def test_deeper_still_is_refused_and_long_tokens_are_linear() -> None:
    with pytest.raises(BadRequest, match="levels deep"):
        text_of("[" * 200_000)
    started = time.perf_counter()
    for source in ('"' * 300_000, '["' + "\\" * 300_000, "[" + "1" * 300_000, '{"a"' + " " * 300_000, '["' + '\\"' * 300_000):
        text_of(source)
    assert time.perf_counter() - started < 5


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=4) | st.lists(VALUES, max_size=4), st.integers(0, 200))
def test_json_is_told_whole_or_cut_anywhere(value: object, cut: int) -> None:
    source = json.dumps(value)
    assert looks_like_json(source, whole=True) == "one"
    if 0 < cut < len(source):
        assert looks_like_json(source[:cut], whole=False) is not None


@pytest.mark.parametrize(
    "source", ["[1] Smith said so", "[x](y)", "{a}", "{% if %}", "[[wiki]]", '{"a" 1}', "[1 2]", "{1: 2}", "]", "", "[1]]"]
)
def test_other_text_is_not_json(source: str) -> None:
    assert looks_like_json(source, whole=True) is None
