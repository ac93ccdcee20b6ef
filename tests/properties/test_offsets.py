"""Chunks and sentences are exact ranges of their text, whatever the text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.ingest.chunker import ChunkRules, chunks_of
from antiphon.ingest.document import Furniture, Heading, ParsedDocument, ParsedPage
from antiphon.storage.lexical.sentences import LONGEST_SENTENCE_CHARACTERS, sentences

PIECES = st.sampled_from(
    [
        "a",
        "Word ",
        "年假",
        "。",
        ". ",
        "! ",
        "\n",
        "\n\n",
        "  ",
        "3.5",
        "Dr. ",
        "- item\n",
        "”",
        '"',
        "\u3000",
        "\U0001f600",
        "x" * 300,
    ]
)
TEXTS = st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=200)


@given(TEXTS)
def test_sentences_are_ordered_ranges_that_lose_only_white_space(text: str) -> None:
    position = 0
    for start, end in sentences(text):
        assert position <= start < end <= len(text)
        assert end - start <= LONGEST_SENTENCE_CHARACTERS
        assert not text[position:start].strip()
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()


@given(
    st.lists(TEXTS, min_size=1, max_size=3), st.integers(30, 600), st.integers(0, 100),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 300), st.integers(1, 3)), max_size=6), st.booleans(),
)  # fmt: skip
def test_chunks_are_exact_and_complete(
    texts: list[str], characters: int, overlap: int, marks: list[tuple[int, int, int]], paged: bool
) -> None:
    outline = [
        Heading(title=f"h{page}", level=level, page=page, start=start)
        for page, start, level in marks
        if page <= len(texts) and start <= len(texts[page - 1])
    ]
    pages = [ParsedPage(number=number, text=text) for number, text in enumerate(texts, start=1)]
    document = ParsedDocument(media_type="x", title="", paged=paged, pages=pages, outline=outline)
    found = list(chunks_of(document, ChunkRules(characters=characters, overlap_characters=overlap), title="t"))
    assert [chunk.ordinal for chunk in found] == list(range(len(found)))
    covered = [[False] * len(text) for text in texts]
    for chunk in found:
        text = texts[chunk.page - 1]
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip() == chunk.text != ""
        assert len(chunk.text) <= 2.5 * characters + LONGEST_SENTENCE_CHARACTERS + overlap
        for offset in range(chunk.start, chunk.end):
            covered[chunk.page - 1][offset] = True
    for text, marks_of_page in zip(texts, covered, strict=True):
        assert not "".join(character for character, there in zip(text, marks_of_page, strict=True) if not there).strip()


@given(TEXTS, st.integers(0, 50), st.integers(1, 50))
def test_furniture_never_makes_a_chunk_of_its_own(text: str, start: int, length: int) -> None:
    start, end = min(start, len(text)), min(start + length, len(text))
    pages = [ParsedPage(number=1, text=text)]
    furniture = [Furniture(page=1, start=start, end=end)] if end > start else []
    document = ParsedDocument(media_type="x", title="", paged=True, pages=pages, furniture=furniture)
    for chunk in chunks_of(document, ChunkRules(characters=100), title=""):
        assert text[chunk.start : chunk.end] == chunk.text
        assert not start <= chunk.start < chunk.end <= end
