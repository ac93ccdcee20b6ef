"""bm25 over what is at hand."""

from __future__ import annotations

from antiphon.retrieve.scoring import rescored, term_scores
from antiphon.storage.lexical.contract import Chunk, ScoredChunk


def scored(number: int, tokens: str, score: float = 1.0) -> ScoredChunk:
    chunk = Chunk(
        chunk_id=number, document_id="doc", workspace_id="ws", version=1, ordinal=number, page=1, start=0, end=0, text="",
        tokeniser_version="1", tokens=tokens,
    )  # fmt: skip
    return ScoredChunk(chunk=chunk, score=score)


def order(*candidates: ScoredChunk, **weights: float) -> list[int]:
    return [one.chunk.chunk_id for one in rescored(candidates, weights)]


def test_more_of_the_terms_is_better_and_weights_decide() -> None:
    one, two = scored(1, "a x x\n"), scored(2, "b x x\n")
    assert order(one, two, a=1.0, b=2.0) == [2, 1]
    assert order(one, two, a=2.0, b=1.0) == [1, 2]
    assert order(one, two, c=1.0) == [1, 2], "ties stay as they came"


def test_frequency_length_and_headline() -> None:
    assert order(scored(1, "a x x x\n"), scored(2, "a a x x\n"), a=1.0) == [2, 1]
    assert order(scored(1, "a x x x x x x x\n"), scored(2, "a x\n"), a=1.0) == [2, 1]
    assert order(scored(1, "x x x\na"), scored(2, "a x x\nx"), a=1.0) == [2, 1], "a word of the title counts half"
    assert order(scored(1, "aa x\n"), scored(2, "x x\n"), scored(3, "a a\n"), a=1.0) == [3, 1, 2], (
        "whole tokens, repeated ones too"
    )


def test_each_chunk_once() -> None:
    assert order(scored(1, "a\n"), scored(2, "a b\n"), scored(1, "a\n"), a=1.0, b=1.0) == [2, 1]
    assert rescored([], {"a": 1.0}) == []


def test_a_term_in_most_chunks_still_counts_a_very_little() -> None:
    scores = term_scores({"rare": 1, "common": 90}, 100)
    assert scores["rare"] > 1 > scores["common"] > 0
