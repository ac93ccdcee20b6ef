"""The template language: what it gives, what it refuses, and that it stays logic-less (security.md, G2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.core.errors import BadRequest
from antiphon.flows.template import MAX_RENDERED_CHARACTERS, parse_template, render_template


def render(text: str, **values: Any) -> str:
    return render_template(parse_template(text), values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("Hi {{name}}, {{ name }}!", "Hi Ann, Ann!"),
        ("{{missing}}|{{none}}", "|"),
        ("{{number}} {{yes}} {{no}}", "3 true false"),
        ("{{list}}{{fields}}", ""),
        ("{{#each list}}{{n}}={{this}};{{/each}}", "1=x;2=y;"),
        ("{{#each rows}}{{title}}/{{name}} {{/each}}", "A/Ann B/Bob "),
        ("{{#each name}}never{{/each}}{{#each missing}}never{{/each}}", ""),
        ("{{#if name}}yes{{else}}no{{/if}}", "yes"),
        ("{{#if none}}yes{{else}}no{{/if}}{{#if empty}}yes{{/if}}", "no"),
        ("{{#each rows}}{{#each list}}{{title}}{{this}} {{/each}}{{/each}}", "Ax Ay Bx By "),
        ("a\n{{#if name}}\nb\n{{/if}}\nc", "a\nb\nc"),
        ("  {{#each list}}  \n- {{this}}\n  {{/each}}", "- x\n- y\n"),
        ("a {{#if name}} b {{/if}} c", "a  b  c"),
        ("{ {{name}} } {{", "{ Ann } {{"),
    ],
)
def test_renders(text: str, expected: str) -> None:
    values = {
        "name": "Ann", "none": None, "number": 3, "yes": True, "no": False, "empty": [], "list": ["x", "y"],
        "fields": {"a": 1}, "rows": [{"title": "A"}, {"title": "B", "name": "Bob"}],
    }  # fmt: skip
    assert render(text, **values) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{a.b}}", "{{a()}}", "{{a|upper}}", "{{__class__.x}}", "{{ }}", "{{}}", "{{#each}}{{/each}}", "{{#with a}}{{/with}}",
        "{{/if}}", "{{else}}", "{{#if a}}{{/each}}", "{{#if a}}{{else}}{{else}}{{/if}}", "{{#if a}}", "{{> partial}}", "{{a b}}",
        "{{#each a}}{{else}}{{/each}}", "{{1a}}", "{{'a'}}", "{{a[0]}}", "{{=<% %>=}}",
    ],
)  # fmt: skip
def test_refuses_everything_else(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_template(text)


def test_the_line_is_named() -> None:
    with pytest.raises(BadRequest, match="Line 3 of the template"):
        parse_template("a\nb\n{{a.b}}")


class Trap:
    """Any look at an attribute, any call, and any conversion to text would be seen."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":  # isinstance() asks for it
            return object.__getattribute__(self, name)
        raise AssertionError(f"{name!r} was looked up")

    def __str__(self) -> str:
        raise AssertionError("it was turned into text")


def test_objects_are_never_looked_into() -> None:
    assert render("{{trap}}{{#each trap}}{{this}}{{/each}}{{denied}}", trap=Trap()) == ""
    assert render("{{#each list}}{{this}}{{name}}{{/each}}", list=[Trap()], name="a") == "a"


def test_values_are_never_expanded_a_second_time() -> None:
    assert render("{{a}}", a="{{b}}", b="secret") == "{{b}}"
    assert render("{{#each list}}{{text}}{{/each}}", list=[{"text": "{{#if b}}{{b}}"}], b="secret") == "{{#if b}}{{b}}"


def test_nested_lists_cannot_fill_the_memory() -> None:
    text = "{{#each a}}" * 4 + "{{big}}" + "{{/each}}" * 4
    with pytest.raises(BadRequest, match="characters"):
        render(text, a=list(range(60)), big="x" * (MAX_RENDERED_CHARACTERS // 100))
    with pytest.raises(BadRequest, match="steps"):
        render("{{#each a}}" * 6 + "{{/each}}" * 6, a=list(range(60)))


def test_nesting_is_bounded() -> None:
    with pytest.raises(BadRequest, match="deep"):
        parse_template("{{#if a}}" * 50 + "{{/if}}" * 50)


PIECES = st.sampled_from([*"{}#/ ab\n", "{{#if a}}", "{{/if}}", "{{#each b}}", "{{/each}}", "{{else}}", "{{a}}"])


@settings(deadline=None)  # the machine is shared
@given(st.lists(PIECES).map("".join))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        template = parse_template(text)
    except BadRequest:
        return
    render_template(template, {"a": "x", "b": [1, 2]})


@settings(deadline=None)  # the machine is shared
@given(st.text())
def test_text_without_marks_comes_out_as_it_is(text: str) -> None:
    if "{{" not in text:
        assert render(text) == text
