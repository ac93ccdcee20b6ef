from __future__ import annotations

import pytest

from antiphon.ingest.office.number_formats import BUILT_IN, general, shown

DAY = 45_352  # 2024-03-01, a Friday


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (DAY + 0.604166, BUILT_IN[22], "2024-03-01 14:30"),
        (DAY, 'yyyy"年"m"月"d"日"', "2024年3月1日"),
        (DAY, "[$-409]dddd, mmmm dd, yyyy", "Friday, March 01, 2024"),
        (DAY, "d/mm/yy;@", "1/03/24"),
        (DAY, "aaaa", "星期五"),
        (0.5, "h:mm AM/PM", "12:00 PM"),
        (0.5, "hh:mm:ss", "12:00:00"),
        (1.5, "[h]:mm:ss", "36:00:00"),
        (0.0104166667, "mm:ss", "15:00"),
        (1, "yyyy-mm-dd", "1900-01-01"),
        (61, "yyyy-mm-dd", "1900-03-01"),
        (0.125, "0.0%", "12.5%"),
        (-1234.5, "#,##0.00;(#,##0.00)", "(1,234.50)"),
        (-0.5, "0.00", "-0.50"),
        (1_234_567, "#,##0,", "1,235"),
        (3, "00000", "00003"),
        (12.3, "0.##", "12.3"),
        (99.5, "[$¥-804]#,##0.00", "¥99.50"),
        (7, '0"件"', "7件"),
        (2, 'General"件"', "2"),
        (0, '0;-0;"none"', "none"),
        (1234.5678, "0.00E+00", "1234.5678"),
        (-5, "yyyy-mm-dd", "-5"),
        (1e9, "yyyy-mm-dd", "1000000000"),
        (5, '"' * 1000 + "[[[((%%", "5"),
    ],
)
def test_numbers_are_shown_as_in_the_sheet(value: float, code: str, text: str) -> None:
    assert shown(value, code) == text


def test_the_other_calendar_of_spreadsheets() -> None:
    assert shown(DAY - 1462, "yyyy-mm-dd", from_1904=True) == "2024-03-01"


@pytest.mark.parametrize(
    ("value", "text"), [(0.1 + 0.2, "0.3"), (5.0, "5"), (1e20, "1e+20"), (-1 / 3, "-0.33333333333"), (100.0, "100")]
)
def test_without_a_format_a_number_is_short(value: float, text: str) -> None:
    assert general(value) == text
