"""storage/records/where.py; what conditions find is in the conformance suite."""

from __future__ import annotations

from antiphon.storage.records.rows import DOCUMENTS
from antiphon.storage.records.where import Condition, conditions_of, contains_folded, has_element


def test_plain_values_are_equality() -> None:
    assert conditions_of(DOCUMENTS, {"pages": 3, "title": None}) == (Condition("pages", "=", 3), Condition("title", "=", None))
    assert conditions_of(DOCUMENTS, None) == ()


def test_the_shape_leaves_the_value_out() -> None:
    (three,), (four,), (none,) = (conditions_of(DOCUMENTS, {"pages": value}) for value in (3, 4, None))
    assert three.shape == four.shape != none.shape


def test_lists_are_asked_for_elements() -> None:
    (condition,) = conditions_of(DOCUMENTS, {"tags": ("contains", "A")})
    assert condition.operator == "element"
    assert condition.holds(["b", "a"])
    assert not condition.holds(["ab"])


def test_functions_of_the_database() -> None:
    assert contains_folded("STRASSE", "straße")
    assert not contains_folded(None, "")
    assert has_element('["Straße", 3, null]', "STRASSE")
    assert not has_element(None, "x")
    assert not has_element("[]", "")
