from __future__ import annotations

import pytest

from antiphon.ingest.office.tables import Cell, Table, looks_like_header, row_line


def cells(*texts: str) -> list[Cell]:
    return [Cell(text=text) for text in texts]


def test_each_row_repeats_the_names_of_its_columns() -> None:
    rows = [(cells("Name", "Age", "City"), False), (cells("Li", "30", "Xi'an"), False), (cells("", "31", ""), False)]
    assert list(Table().lines(rows)) == ["| Name | Age | City", "| Name: Li | Age: 30 | City: Xi'an", "| Age: 31"]


def test_a_name_over_several_columns_names_each_but_its_text_stands_once() -> None:
    head = [Cell(text="Team"), Cell(text="2025"), Cell(text="Sales in EUR"), Cell(text="Sales in EUR", spanned=True)]
    body = [Cell(text="North"), Cell(text="x"), Cell(text="7"), Cell(text="7")]
    assert list(Table().lines([(head, True), (body, False)])) == [
        "| Team | 2025 | Sales in EUR",
        "| Team: North | 2025: x | Sales in EUR: 7 | Sales in EUR: 7",
    ]


@pytest.mark.parametrize(
    ("first", "second", "marked", "header"),
    [
        (["Name", "Zhang"], ["Age", "thirty"], False, False),
        (["Name", "Zhang"], ["Age", "thirty"], True, True),
        (["Year", "Ducks"], ["2019", "120"], False, True),
        (["2019", "120"], ["2020", "130"], True, False),
        (["a", "b", "b"], ["1", "2", "3"], False, False),
        (["one"], ["2"], True, False),
        (["A sentence that is far too long to be the name of a column, " * 3, "b", "c"], ["1", "2", "3"], True, False),
    ],
)
def test_only_names_make_a_header(first: list[str], second: list[str], marked: bool, header: bool) -> None:
    assert looks_like_header(first, marked=marked, second=second) is header


def test_a_line_stays_a_line() -> None:
    assert row_line(["a\nb", " ", "c"], ["Key:", "", "c"]) == "| Key: a b | c"
    assert row_line(["", " "]) == ""
