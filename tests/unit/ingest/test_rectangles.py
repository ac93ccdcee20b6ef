from __future__ import annotations

from antiphon.ingest.rectangles import merge_boxes

Box = tuple[float, float, float, float]


def merged(*boxes: Box) -> list[list[float]]:
    return merge_boxes([(box, box) for box in boxes], 600, 800)


def test_characters_of_a_line_become_one_rectangle() -> None:
    assert merged((10, 10, 15, 20), (16, 12, 20, 20), (40, 10, 45, 20.001)) == [[10.0, 10.0, 45.0, 20.01]]


def test_a_new_line_and_a_new_column_begin_a_new_one() -> None:
    assert len(merged((10, 10, 15, 20), (16, 10, 20, 20), (10, 24, 15, 34))) == 2
    assert len(merged((10, 10, 15, 20), (100, 10, 105, 20))) == 2


def test_turned_text_is_merged_downwards() -> None:
    assert len(merged((10, 10, 20, 14), (10, 15, 20, 19), (10, 20, 20, 24))) == 1


def test_a_comma_below_the_letters_stays_in_the_line() -> None:
    letter, comma, after = ((10.0, 10.0, 15.0, 18.0), (16.0, 17.0, 17.0, 21.0), (20.0, 10.0, 25.0, 18.0))
    cells = ((10.0, 8.0, 15.0, 22.0), (16.0, 8.0, 18.0, 22.0), (20.0, 8.0, 25.0, 22.0))
    (rectangle,) = merge_boxes(list(zip((letter, comma, after), cells, strict=True)), 600, 800)
    assert [round(number) for number in rectangle] == [10, 10, 25, 21]


def test_nothing_leaves_the_page() -> None:
    assert merged((-5, -5, 700, 900)) == [[0.0, 0.0, 600, 800]]
    assert merged((-50, -50, -20, -20)) == []
