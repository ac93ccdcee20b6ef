from __future__ import annotations

import pytest

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.parsers import BUILT_IN_PARSERS, ParserSpec, demand_page, load_parser, parser_target


def test_every_built_in_parser_can_be_loaded() -> None:
    for spec in BUILT_IN_PARSERS:
        assert callable(load_parser(spec.target))


def test_the_last_registered_parser_wins_and_a_missing_one_is_named() -> None:
    mine = ParserSpec(media_types=["application/pdf"], target="mine:open_pdf", label="my PDF")
    assert parser_target((*BUILT_IN_PARSERS, mine), "application/pdf") == "mine:open_pdf"
    with pytest.raises(Unsupported, match=r"'image/png' can't be read yet; supported are PDF, Markdown, plain text\."):
        parser_target(BUILT_IN_PARSERS, "image/png")


@pytest.mark.parametrize("page", [0, 4, -1])
def test_a_page_outside_is_refused(page: int) -> None:
    with pytest.raises(BadRequest, match="pages 1 to 3"):
        demand_page(page, 3)
    demand_page(3, 3)
