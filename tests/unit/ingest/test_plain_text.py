from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.core.errors import TooLarge, Unsupported
from antiphon.ingest import plain_text
from antiphon.ingest.plain_text import lines_of, open_plain_text


def opened(tmp_path: Path, text: str) -> plain_text.TextDocument:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return open_plain_text(path, None)


def test_the_text_is_one_page_and_numbered_lines_are_headings(tmp_path: Path) -> None:
    text = "第二章 休假\n\n年假七天。\n\n2.1 Leave\n\nSeven days.\n\n3. this is a list item, not a heading.\n"
    document = opened(tmp_path, text)
    (page,) = document.pages()
    assert (page.number, page.text, page.width_pt) == (1, text, None)
    outline = document.outline()
    assert [(heading.title, heading.level) for heading in outline] == [("第二章 休假", 1), ("2.1 Leave", 2)]
    assert all(text[heading.start :].startswith(heading.title) for heading in outline)


def test_what_no_store_can_keep_is_taken_out(tmp_path: Path) -> None:
    (page,) = opened(tmp_path, "a\x00b\x1bc\te\x7f\n").pages()
    assert page.text == "abc\te\n"


def test_there_are_no_rectangles_without_pages(tmp_path: Path) -> None:
    document = opened(tmp_path, "x")
    with pytest.raises(Unsupported):
        document.rectangles(1, 0, 1)
    with pytest.raises(Unsupported):
        document.page_image(1, 100)


def test_a_text_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_text, "MOST_CHARACTERS", 10)
    for text in ("x" * 11, "x" * 41):
        with pytest.raises(TooLarge, match="split the file"):
            opened(tmp_path, text)


def test_lines_are_those_at_line_feeds() -> None:
    assert list(lines_of("a\u2028b\n\nc")) == [(0, "a\u2028b"), (4, ""), (5, "c")]
