"""Files read in windows: the same chunks as when read whole, also when a reading is taken up again."""

from __future__ import annotations

from pathlib import Path

import pytest
from reportlab.pdfgen import canvas

from antiphon.ingest import wire
from antiphon.ingest.chunker import ChunkRules, chunks_of
from antiphon.ingest.document import ChunkDraft, ParsedDocument, ParsedPage
from antiphon.ingest.parsers import BUILT_IN_PARSERS
from antiphon.ingest.reading import FIRST_WINDOW_PAGES, read_files
from antiphon.ingest.task import failure_of

RULES = ChunkRules(characters=300)


def book(path: Path, pages: int) -> Path:
    drawing = canvas.Canvas(str(path))
    for number in range(1, pages + 1):
        drawing.bookmarkPage(str(number))
        drawing.addOutlineEntry(f"Chapter {number}", str(number), 0)
        drawing.drawString(72, 820, "The Keeper's Book")
        drawing.drawString(72, 790, f"Chapter {number}")
        for line in range(8):
            drawing.drawString(72, 760 - 18 * line, f"Sentence {line} of page {number} tells about the lighthouse and its ships.")
        drawing.showPage()
    drawing.save()
    return path


def read(*files: wire.FileToRead) -> list[wire.Reply]:
    return list(read_files(wire.Read(files=list(files), rules=RULES), BUILT_IN_PARSERS, failure_of))


def drafts(replies: list[wire.Reply]) -> list[ChunkDraft]:
    return [draft for reply in replies if isinstance(reply, wire.Chunks) for draft in reply.chunks]


def pages(replies: list[wire.Reply]) -> list[ParsedPage]:
    return [page for reply in replies if isinstance(reply, wire.Pages) for page in reply.pages]


def test_the_first_window_is_cut_before_the_next_one_is_read(tmp_path: Path) -> None:
    replies = read(wire.FileToRead(path=str(book(tmp_path / "b.pdf", 30)), name="b.pdf", title="b"))
    assert isinstance(replies[0], wire.Opened)
    assert isinstance(replies[-1], wire.Finished)
    sections = [reply for reply in replies if isinstance(reply, wire.Section)]
    assert [section.last_page for section in sections] == [FIRST_WINDOW_PAGES, 3 * FIRST_WINDOW_PAGES, 30]
    kinds = [type(reply).__name__ for reply in replies]
    assert kinds[1:4] == ["Pages", "Section", "Chunks"]
    assert kinds.index("Chunks") < len(kinds) - 1 - kinds[::-1].index("Pages")
    assert all("Keeper's Book" not in draft.text for draft in drafts(replies)), "running heads are left out in every window"


def test_windows_give_the_chunks_of_the_whole(tmp_path: Path) -> None:
    replies = read(wire.FileToRead(path=str(book(tmp_path / "b.pdf", 30)), name="b.pdf", title="b"))
    sections = [reply for reply in replies if isinstance(reply, wire.Section)]
    whole = ParsedDocument(
        media_type="", title="", paged=True, pages=pages(replies),
        outline=[heading for section in sections for heading in section.outline],
        furniture=[item for section in sections for item in section.furniture],
    )  # fmt: skip
    assert len(whole.outline) == 30
    assert drafts(replies) == list(chunks_of(whole, RULES, title=sections[0].title or "b"))


@pytest.mark.parametrize(("laid", "indexed"), [(8, 5), (8, 8), (24, 30)])
def test_what_is_known_is_not_sent_again_and_the_rest_is_the_same(tmp_path: Path, laid: int, indexed: int) -> None:
    path = book(tmp_path / "b.pdf", 30)
    whole = read(wire.FileToRead(path=str(path), name="b.pdf", title="b"))
    rest = read(wire.FileToRead(path=str(path), name="b.pdf", title="b", skip_pages=laid, skip_chunks=indexed))
    assert drafts(rest) == drafts(whole)[indexed:]
    assert pages(rest) == pages(whole)[laid:]


def test_one_broken_file_costs_itself(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Herons stand.")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7\nnonsense")
    (tmp_path / "c.txt").write_text("Cranes stand.")
    replies = read(*(wire.FileToRead(path=str(tmp_path / name), name=name, title=name) for name in ("a.txt", "b.pdf", "c.txt")))
    ends = [type(reply).__name__ for reply in replies if isinstance(reply, wire.Finished | wire.Unreadable)]
    assert ends == ["Finished", "Unreadable", "Finished"]
    assert [draft.text for draft in drafts(replies)] == ["Herons stand.", "Cranes stand."]
