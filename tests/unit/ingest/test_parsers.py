from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.media_names import EXECUTABLE
from antiphon.ingest.parsers import BUILT_IN_PARSERS, ParserSpec, demand_page, load_parser, open_file, parser_target


def test_every_built_in_parser_can_be_loaded() -> None:
    for spec in BUILT_IN_PARSERS:
        assert callable(load_parser(spec.target))


def test_the_last_registered_parser_wins_and_a_missing_one_is_named() -> None:
    mine = ParserSpec(media_types=["application/pdf"], target="mine:open_pdf", label="my PDF")
    assert parser_target((*BUILT_IN_PARSERS, mine), "application/pdf") == "mine:open_pdf"
    with pytest.raises(Unsupported, match=r"^Files of type 'x/y' can't be read\. Supported are my PDF\.$"):
        parser_target([mine], "x/y")
    with pytest.raises(Unsupported, match=r"^This is an archive: unpack it .* Supported are my PDF\.$") as caught:
        parser_target([mine], "application/x-7z-compressed")
    assert caught.value.data == {"reason": "unsupported_type", "media_type": "application/x-7z-compressed"}


def test_no_media_type_is_claimed_twice_and_what_is_read_is_not_refused() -> None:
    claimed = [media_type for spec in BUILT_IN_PARSERS for media_type in spec.media_types]
    assert len(claimed) == len(set(claimed))
    with pytest.raises(Unsupported, match="This is a program"):
        parser_target(BUILT_IN_PARSERS, EXECUTABLE)


def test_a_file_is_opened_by_its_content_whatever_its_name_says(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"<!DOCTYPE html><title>T</title><p>Text")
    media_type, opened = open_file(path, "report.pdf", None, BUILT_IN_PARSERS)
    assert (media_type, opened.title, next(iter(opened.pages())).text) == ("text/html", "T", "Text")


@pytest.mark.parametrize("page", [0, 4, -1])
def test_a_page_outside_is_refused(page: int) -> None:
    with pytest.raises(BadRequest, match="pages 1 to 3"):
        demand_page(page, 3)
    demand_page(3, 3)
