from __future__ import annotations

import socket
from pathlib import Path

import pytest

from antiphon.core.errors import Unsupported
from antiphon.ingest import wire
from antiphon.ingest.chunker import ChunkRules
from antiphon.ingest.document import ParsedDocument, ParsedPage
from antiphon.ingest.parsers import BUILT_IN_PARSERS
from antiphon.ingest.task import replies, serve


def test_parsing_gives_pages_then_facts(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("# Title\n\nText.")
    pages, parsed = replies(wire.Parse(path=str(path), name="notes.md"), BUILT_IN_PARSERS)
    assert isinstance(pages, wire.Pages)
    assert isinstance(parsed, wire.Parsed)
    assert (pages.total, pages.pages[0].text) == (1, "# Title\n\nText.")
    assert (parsed.media_type, parsed.title, parsed.paged) == ("text/markdown", "Title", False)


def test_cutting_skips_what_was_indexed_before() -> None:
    pages = [ParsedPage(number=1, text="A sentence of words. " * 100)]
    document = ParsedDocument(media_type="text/plain", title="", paged=False, pages=pages)
    every, rest = (
        [draft for reply in replies(wire.Cut(document=document, rules=ChunkRules(characters=200), title="", skip=skip), ())
         if isinstance(reply, wire.Chunks) for draft in reply.chunks]
        for skip in (0, 4)
    )  # fmt: skip
    assert rest == every[4:]
    assert len(rest) > 2


def test_errors_become_replies_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\x7fELF")
    with pytest.raises(Unsupported):
        list(replies(wire.Parse(path=str(path), name="x.txt"), BUILT_IN_PARSERS))
    for task, code in [
        (wire.Parse(path=str(path), name="x.txt"), "unsupported"),
        (wire.Parse(path=str(tmp_path / "gone"), name="x.txt"), "bad_request"),
    ]:
        ours, its = socket.socketpair()
        with ours, its:
            ours.sendall(wire.encode(task))
            serve(its, BUILT_IN_PARSERS)
            frame = ours.recv(65536)
        reply = wire.decode_reply(frame[wire.LENGTH_BYTES :])
        assert isinstance(reply, wire.Failed)
        assert reply.code == code
        assert "Traceback" not in reply.message
