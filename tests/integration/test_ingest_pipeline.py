"""Ingestion and removal with real stores and real worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen import canvas

from antiphon.core.errors import Unsupported
from antiphon.library.pages import page_json
from antiphon.protocol.events import DocumentFailed, DocumentProgress, DocumentReady
from antiphon.sample.documents import sample_documents
from antiphon.storage.records.rows import PAGES
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.ingest_house import IngestHouse, person


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[IngestHouse]:
    async with IngestHouse.open(tmp_path) as house:
        yield house


async def test_the_sample_documents_become_ready_and_answer(house: IngestHouse) -> None:
    rows = [await house.add(path.read_bytes(), path.name) for path in sample_documents()]
    ready = [await house.until(row.id, "ready", "failed") for row in rows]
    assert [row.state for row in ready] == ["ready"] * len(rows), [row.error for row in ready]
    assert all(row.searchable and row.passages > 3 and row.progress is None for row in ready)
    handbook = ready[0]
    assert (handbook.media_type, handbook.pages, handbook.pages_ready) == ("application/pdf", 11, 11)
    assert handbook.title == "Lindenbrook Employee Handbook"
    assert {"title": "3.1 Asking for leave", "level": 2, "page": 4}.items() <= handbook.outline[11].items()
    for question, words in [
        ("How many days can I work from home?", "up to three days a week"),
        ("年休假有多少天？", "七天带薪年休假"),
        ("What does error E21 mean?", "coil is interrupted"),
        ("恒温箱多久校准一次？", "温度校准周期为十二个月"),
    ]:
        passages = await house.search(question)
        assert words in "".join(passage.text for passage in passages[:2]).replace("\n", " "), question
    best = (await house.search("How many days of leave may be carried over?"))[0]
    page = await house.store.read(lambda tx: tx.get(PAGES, EVERYTHING, f"{best.document_id}:{best.version}:{best.page}"))
    assert page is not None
    assert page.text[best.start : best.end] == best.text
    kinds = {type(event) for workspace, event in house.events if workspace == "ws_1"}
    assert kinds == {DocumentProgress, DocumentReady}
    counts = await house.statistics()
    assert counts["orphan_chunks"] == counts["ghost_rows"] == counts["unindexed_chunks"] == 0


async def test_a_markdown_passage_has_an_anchor_and_no_page(house: IngestHouse) -> None:
    row = await house.add(b"# Snow\n\nIntro.\n\n## Shovels\n\nShovels are red.\n", "snow.md")
    ready = await house.until(row.id, "ready", "failed")
    assert (ready.title, ready.pages) == ("Snow", 1)
    (passage,) = [passage for passage in await house.search("shovels") if "red" in passage.text]
    assert passage.page is None
    assert passage.anchor == "heading:Snow > Shovels"
    assert passage.media_type == "text/markdown"


async def test_what_cant_be_read_fails_with_a_sentence(house: IngestHouse) -> None:
    broken = await house.add(b"%PDF-1.7 nothing else", "broken.pdf")
    program = await house.add(b"\x7fELF" + bytes(100), "notes.txt")
    for row, code in [(broken, "bad_request"), (program, "unsupported")]:
        failed = await house.until(row.id, "ready", "failed")
        assert failed.state == "failed"
        assert failed.error is not None
        assert failed.error["code"] == code
        assert failed.error["message"].endswith(".")
        assert not failed.searchable
    assert sum(isinstance(event, DocumentFailed) for _, event in house.events) == 2


def locked(path: Path, password: str) -> bytes:
    page = canvas.Canvas(str(path), encrypt=StandardEncryption(password, ownerPassword="owner", canPrint=0))
    page.drawString(100, 700, "The cave is full of treasure.")
    page.save()
    return path.read_bytes()


async def test_an_encrypted_pdf_asks_for_its_password_and_opens_with_it(house: IngestHouse, tmp_path: Path) -> None:
    added = await house.upload(locked(tmp_path / "locked.pdf", "sesame"), "locked.pdf")
    document_id = added.row.id
    failed = await house.until(document_id, "ready", "failed")
    assert failed.error is not None
    assert failed.error["code"] == "password_required"
    await house.library.retry(person(), EVERYTHING, document_id, password="mellon")
    wrong = await house.until(document_id, "ready", "failed")
    assert wrong.error is not None
    assert (wrong.error["code"], "wrong" in wrong.error["message"]) == ("password_required", True)
    await house.library.retry(person(), EVERYTHING, document_id, password="sesame")
    ready = await house.until(document_id, "ready", "failed")
    assert (ready.passages, ready.error) == (1, None)
    # as long as the process lives
    assert len((await house.pages.rectangles(EVERYTHING, document_id, 1, 0, 8)).rects) == 1
    assert (await house.pages.image(EVERYTHING, document_id, 1, 200)).startswith(b"\x89PNG")
    house.pages._passwords.forget(document_id)  # as after a restart
    with pytest.raises(Unsupported, match="kept in memory only") as caught:
        await house.pages.rectangles(EVERYTHING, document_id, 1, 0, 8)
    assert caught.value.data["reason"] == "password_required"
    assert (await house.library.retry(person(), EVERYTHING, document_id, password="sesame")).state == "ready"
    assert len((await house.pages.rectangles(EVERYTHING, document_id, 1, 0, 8)).rects) == 1


async def test_an_empty_password_opens_by_itself(house: IngestHouse, tmp_path: Path) -> None:
    added = await house.upload(locked(tmp_path / "open.pdf", ""), "open.pdf")
    assert (await house.until(added.row.id, "ready", "failed")).state == "ready"
    assert len((await house.pages.rectangles(EVERYTHING, added.row.id, 1, 0, 8)).rects) == 1


async def test_pages_are_searchable_while_the_rest_is_read(house: IngestHouse, tmp_path: Path) -> None:
    drawing = canvas.Canvas(str(tmp_path / "book.pdf"))
    for number in range(1, 201):
        for line in range(40):
            drawing.drawString(
                72, 780 - 18 * line, f"Line {line} of page {number} tells what herons of marsh{number} eat and why."
            )
        drawing.showPage()
    drawing.save()
    added = await house.upload((tmp_path / "book.pdf").read_bytes(), "book.pdf")
    seen: list[tuple[int, int]] = []
    async with asyncio.timeout(30):
        while (row := await house.row(added.row.id)) is not None and row.state != "ready":
            if row.searchable and not seen:
                assert (await house.search("herons of marsh1"))[0].page is not None
            if row.searchable and (row.pages_ready, row.passages) not in seen:
                seen.append((row.pages_ready, row.passages))
                assert row.progress is not None
                assert (row.progress["total"], row.pages) == (200, 200)
            await asyncio.sleep(0.01)
    assert len(seen) >= 4, "several looks saw several states"
    assert seen[0][0] <= 30
    assert seen == sorted(seen)
    told = [event for _, event in house.events if isinstance(event, DocumentProgress) and event.stage == "indexing"]
    assert len(told) >= 3
    assert [event.pages_ready for event in told] == sorted(event.pages_ready for event in told)
    assert all(event.eta_ms is not None and event.total == 200 for event in told)


async def test_the_outline_of_a_text_tells_sections_and_pages(house: IngestHouse) -> None:
    text = "# Snow\n\nIntro.\n\n## Shovels\n\nRed.\n\n## Salt\n\nWhite.\n\n# Rain\n\nWet.\n"
    added = await house.upload(text.encode(), "weather.md")
    await house.until(added.row.id, "ready")
    outline = await house.pages.outline(EVERYTHING, added.row.id)
    shown = [(h["title"], h["level"], text[h["start"] : h["end"]].split("\n", maxsplit=1)[0]) for h in outline["headings"]]
    assert shown == [("Snow", 1, "# Snow"), ("Shovels", 2, "## Shovels"), ("Salt", 2, "## Salt"), ("Rain", 1, "# Rain")]
    assert text[outline["headings"][0]["start"] : outline["headings"][0]["end"]].endswith("White.\n\n")
    assert outline["pages"] == [{"page": 1, "start": 0, "characters": len(text)}]
    page, layout = await house.pages.text(EVERYTHING, added.row.id, 1)
    assert layout is not None
    anchors = page_json(page, layout)["anchors"]
    assert {"anchor": "heading:Snow > Shovels", "start": text.index("## Shovels")} in anchors


async def test_a_deleted_document_leaves_nothing(house: IngestHouse) -> None:
    text = "The heron stands in the reeds. " * 400
    row = await house.add(text.encode(), "heron.txt")
    twin = await house.add(text.encode(), "twin.txt")
    for document in (row, twin):
        await house.until(document.id, "ready")
    await house.delete(row.id)
    assert {passage.document_id for passage in await house.search("heron")} == {twin.id}
    await house.settled()
    assert await house.row(row.id) is None
    assert await house.store.read(lambda tx: tx.count(PAGES, EVERYTHING, {"document_id": row.id})) == 0
    assert await house.blobs.list() == [row.sha256]  # the twin still refers to it
    await house.delete(twin.id)
    await house.settled()
    assert await house.blobs.list() == []
    counts = await house.statistics()
    assert (counts["chunks"], counts["ghost_rows"]) == (0, 0)


async def test_a_blob_stays_while_an_upload_is_under_way(house: IngestHouse) -> None:
    row = await house.add(b"Short text about otters.", "otters.txt")
    await house.until(row.id, "ready")
    async with house.gate.uploading():
        await house.delete(row.id)
        async with asyncio.timeout(10):
            while not [job for job in await house.jobs.list(subject=row.id) if job.not_before > house.runtime.clock.now()]:
                await asyncio.sleep(0.01)
        assert await house.blobs.list() == [row.sha256]


async def test_cancelling_kills_the_worker_and_leaves_nothing_searchable(house: IngestHouse) -> None:
    text = "\n\n".join(f"Paragraph {n} tells about the number {n * 7}. It is long enough." for n in range(40_000))
    row = await house.add(text.encode(), "long.txt")
    await house.until(row.id, "parsing", "indexing")
    assert await house.workers.cancel(row.id) == 1
    await house.settled()
    (job,) = await house.jobs.list(subject=row.id)
    assert job.state == "cancelled"
    await asyncio.sleep(0.1)
    before = await house.statistics()
    await asyncio.sleep(0.3)
    assert await house.statistics() == before


async def test_a_document_deleted_while_it_is_read_leaves_nothing(house: IngestHouse) -> None:
    text = "\n\n".join(f"Paragraph {n} tells about the number {n * 7}. It is long enough." for n in range(20_000))
    row = await house.add(text.encode(), "long.txt")
    await house.until(row.id, "indexing")
    await house.delete(row.id)
    await house.settled()
    assert await house.row(row.id) is None
    counts = await house.statistics()
    assert (counts["chunks"], counts["ghost_rows"]) == (0, 0)
    assert await house.blobs.list() == []


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "a.txt"), (b" \n\n", "b.md"), (b"", "c.csv"), (b"<html><script>1</script></html>", "d.html"), (b"[]", "e.json")],
)
async def test_what_holds_no_text_is_ready_and_says_so(house: IngestHouse, content: bytes, name: str) -> None:
    row = await house.until((await house.upload(content, name)).row.id, "ready", "failed")
    assert (row.state, row.passages) == ("ready", 0)
    assert row.error is not None
    assert row.error["code"] == "empty"
    assert row.error["message"].startswith("There is no text in the file")


async def test_of_an_encrypted_mail_the_header_is_found_and_the_rest_is_told(house: IngestHouse) -> None:
    content = (
        b"From: ada@x\nSubject: Budget of the lighthouse\nContent-Type: multipart/encrypted; boundary=x\n\n--x\n\nV\n--x--\n"
    )
    row = await house.until((await house.upload(content, "a.eml")).row.id, "ready", "failed")
    assert (row.state, (row.error or {}).get("code")) == ("ready", "partial")
    assert "lighthouse" in (await house.search("lighthouse"))[0].text
