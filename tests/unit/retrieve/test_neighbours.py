from __future__ import annotations

import msgspec

from antiphon.retrieve.neighbours import join_neighbours
from antiphon.storage.lexical.contract import Chunk, ScoredChunk

PAGE = "Alpha one. Beta two.  Gamma three. Delta four."
CUTS = [(0, 10), (11, 20), (22, 34), (35, 46)]


def scored(ordinal: int, score: float, *, page: int = 1, document: str = "doc_1") -> ScoredChunk:
    start, end = CUTS[ordinal]
    chunk = Chunk(
        chunk_id=100 + ordinal, document_id=document, workspace_id="ws_1", version=1, ordinal=ordinal, page=page, start=start,
        end=end, text=PAGE[start:end], heading_path=[f"h{ordinal}"], tokeniser_version="1", tokens=f"t{ordinal}\nhead",
    )  # fmt: skip
    return ScoredChunk(chunk=chunk, score=score)


def test_neighbours_become_one_exact_range_under_the_best_ones_name() -> None:
    (found,) = join_neighbours([scored(1, 9.0), scored(2, 5.0), scored(0, 1.0)], k=3, page_text=lambda _: PAGE)
    assert (found.start, found.end, found.text) == (0, 34, PAGE[0:34])
    assert (found.chunk_id, found.score, found.heading_path) == (101, 9.0, ["h0"])
    assert found.tokens == {"t0", "t1", "t2", "head"}


def test_only_true_neighbours_join() -> None:
    others = [scored(0, 9.0), scored(2, 8.0), scored(1, 7.0, page=2), scored(1, 6.0, document="doc_2")]
    assert len(join_neighbours(others, k=9, page_text=lambda _: PAGE)) == 4


def test_k_passages_and_later_chunks_still_join() -> None:
    found = join_neighbours([scored(0, 9.0), scored(3, 8.0), scored(1, 7.0)], k=1, page_text=lambda _: PAGE)
    assert [(passage.start, passage.end) for passage in found] == [(0, 20)]


def test_a_page_that_went_away_leaves_chunks_alone() -> None:
    found = join_neighbours([scored(0, 9.0), scored(1, 8.0)], k=5, page_text=lambda _: None)
    assert [passage.text for passage in found] == ["Alpha one.", "Beta two."]


def test_rows_of_neighbours_become_one_range() -> None:
    first, second = scored(0, 9.0), scored(1, 8.0)
    rows = [
        ScoredChunk(chunk=msgspec.structs.replace(one.chunk, anchor=anchor), score=one.score)
        for one, anchor in ((first, "sheet:Prices!A2:C9"), (second, "sheet:Prices!A10:D14"))
    ]
    assert [found.anchor for found in join_neighbours(rows, k=5, page_text=lambda _: PAGE)] == ["sheet:Prices!A2:D14"]
    assert [found.anchor for found in join_neighbours(rows[::-1], k=5, page_text=lambda _: PAGE)] == ["sheet:Prices!A2:D14"]
