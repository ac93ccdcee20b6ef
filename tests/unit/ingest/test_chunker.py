from __future__ import annotations

from itertools import pairwise

import pytest

from antiphon.ingest.chunker import ChunkRules, chunks_of
from antiphon.ingest.document import ChunkDraft, Furniture, Heading, ParsedDocument, ParsedPage

RULES = ChunkRules(characters=200)


def document(
    *texts: str, outline: list[Heading] | None = None, paged: bool = True, furniture: list[Furniture] | None = None
) -> ParsedDocument:
    pages = [ParsedPage(number=number, text=text) for number, text in enumerate(texts, start=1)]
    return ParsedDocument(media_type="x", title="", paged=paged, pages=pages, outline=outline or [], furniture=furniture or [])


def chunks(parsed: ParsedDocument, rules: ChunkRules = RULES) -> list[ChunkDraft]:
    return list(chunks_of(parsed, rules, title="Manual"))


def test_chunks_end_at_sentences_near_the_aim() -> None:
    text = " ".join(f"Sentence number {n} has a few words." for n in range(40))
    found = chunks(document(text))
    assert all(chunk.text.endswith(".") for chunk in found)
    assert all(100 <= len(chunk.text) <= 250 for chunk in found)
    assert " ".join(chunk.text for chunk in found) == text
    assert [chunk.ordinal for chunk in found] == list(range(len(found)))


def test_a_heading_starts_a_chunk_and_gives_its_path() -> None:
    text = "Intro here.\n\nChapter\n\nSection\n\nBody one.\n\nNext\n\nBody two."
    outline = [
        Heading(title="Chapter", level=1, page=1, start=text.index("Chapter")),
        Heading(title="Section", level=2, page=1, start=text.index("Section")),
        Heading(title="Next", level=2, page=1, start=text.index("Next")),
    ]
    found = chunks(document(text, "Still there.", outline=outline))
    assert [(chunk.page, chunk.text, chunk.heading_path) for chunk in found] == [
        (1, "Intro here.", []),
        (1, "Chapter\n\nSection\n\nBody one.", ["Chapter"]),
        (1, "Next\n\nBody two.", ["Chapter", "Next"]),
        (2, "Still there.", ["Chapter", "Next"]),
    ]
    assert found[2].tokens == "next bodi two\nmanual chapter next"


def test_running_heads_are_left_out_but_keep_their_offsets() -> None:
    first, second = "Company 1\n\nText one.\n\nPage foot", "Company 2\n\nText two."
    furniture = [Furniture(page=1, start=0, end=9), Furniture(page=1, start=22, end=31), Furniture(page=2, start=0, end=9)]
    found = chunks(document(first, second, furniture=furniture))
    assert [(chunk.text, chunk.start) for chunk in found] == [("Text one.", 11), ("Text two.", 11)]


def test_a_document_without_pages_has_lines_as_anchors() -> None:
    text = "One.\n\nTwo.\n" + "Three is a longer sentence of its own kind, really. " * 8
    found = chunks(document(text, paged=False))
    assert [chunk.anchor for chunk in found] == ["line:1", "line:4", "line:4"][: len(found)]
    assert chunks(document(text))[0].anchor is None


def test_a_short_remainder_joins_the_chunk_before() -> None:
    text = "This sentence is made of exactly enough words to fill up. " * 4 + "End."
    assert chunks(document(text))[-1].text.endswith("fill up. End.")


def test_overlap_repeats_whole_sentences() -> None:
    text = " ".join(f"Sentence number {n} has a few words." for n in range(30))
    found = chunks(document(text), ChunkRules(characters=200, overlap_characters=60))
    for before, after in pairwise(found):
        assert before.start < after.start < before.end < after.end
        assert text[after.start : before.end].startswith("Sentence")


@pytest.mark.parametrize("text", ["", "   \n\n ", "\n"])
def test_nothing_gives_nothing(text: str) -> None:
    assert chunks(document(text)) == []


def test_no_sentence_no_problem() -> None:
    found = chunks(document("x" * 100_000))
    assert "".join(chunk.text for chunk in found) == "x" * 100_000
    assert max(len(chunk.text) for chunk in found) <= 1_500
