from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from antiphon.access.identity import Identity, Role
from antiphon.access.scope import Action, Scope, scope, system_scope
from antiphon.commands.services import Services
from antiphon.core.errors import AntiphonError, BadRequest, Conflict, Forbidden, NotFound, Unsupported
from antiphon.library.documents import Added, Upload, document_json
from antiphon.library.pages import page_json
from antiphon.protocol.events import DocumentDeleted, DocumentFailed, DocumentProgress, Event
from antiphon.storage.records.rows import DOCUMENTS, PAGES, DocumentRow, PageRow, WorkspaceRow

ALL = system_scope("test")


class Room:
    """A workspace with its owner, and everything its documents published."""

    def __init__(self, services: Services, owner: Identity, workspace: WorkspaceRow, reach: Scope) -> None:
        self.services, self.owner, self.workspace, self.reach = services, owner, workspace, reach
        self.told: list[tuple[str, Event]] = []
        services.documents._publish = lambda topics, event: self.told.extend((topic, event) for topic in topics)

    async def add(self, *names: str, content: str | None = None) -> list[Added]:
        uploads = [Upload(name=name, sha256=(content or f"{hash(name) & 0xFFFF:04x}") * 16, size_bytes=9) for name in names]
        return await self.services.documents.add(self.owner, self.reach, self.workspace.id, uploads)

    async def jobs(self, document_id: str) -> list[tuple[str, str]]:
        return [(job.kind, job.state) for job in await self.services.jobs.list(subject=document_id)]

    async def set(self, document_id: str, **columns: Any) -> None:
        await self.services.store.write(lambda tx: tx.update(DOCUMENTS, ALL, document_id, **columns))


@pytest.fixture
async def room(services: Services) -> Room:
    owner = await services.accounts.owner_identity()
    workspace = await services.workspaces.create(owner, name="W")
    return Room(services, owner, workspace, await scope(owner, Action.MANAGE, services.accounts))


async def test_a_document_and_its_job_appear_together(room: Room):
    (added,) = await room.add("../报告\u202e.PDF")
    assert (added.row.name, added.row.media_type, added.row.state, added.duplicate_of) == (
        "报告.PDF",
        "application/pdf",
        "queued",
        None,
    )
    (job,) = await room.services.jobs.list(subject=added.row.id)
    assert (job.kind, job.user_id, job.workspace_id) == ("ingest", room.owner.user_id, room.workspace.id)
    assert job.payload == {"version": 1, "sha256": added.row.sha256}
    topic, event = room.told[0]
    assert topic == f"workspace:{room.workspace.id}"
    assert isinstance(event, DocumentProgress)
    assert event.stage == "queued"


async def test_nothing_appears_when_the_job_can_not(room: Room, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise Conflict("No more jobs.")

    monkeypatch.setattr(room.services.documents._arrivals, "_jobs", type("Refusing", (), {"enqueue": staticmethod(refuse)})())
    with pytest.raises(Conflict):
        await room.add("a.md")
    assert await room.services.documents.list(room.reach, room.workspace.id, limit=10) == []
    assert room.told == []


async def test_the_same_content_is_not_indexed_twice(room: Room):
    first, second = await room.add("a.md", "b.md", content="aaaa")
    (third,) = await room.add("c.md", content="aaaa")
    assert (first.duplicate_of, second.duplicate_of, third.duplicate_of) == (None, first.row.id, first.row.id)
    assert await room.jobs(first.row.id) == [("ingest", "queued")]
    assert len(await room.services.documents.list(room.reach, room.workspace.id, limit=10)) == 1


async def test_twenty_uploads_of_one_content_at_once_make_one_document(room: Room):
    added = await asyncio.gather(*(room.add("a.md", content="bbbb") for _ in range(20)))
    assert len({entry.row.id for entries in added for entry in entries}) == 1


async def test_the_same_content_in_another_workspace_is_its_own_document(room: Room):
    (first,) = await room.add("a.md", content="cccc")
    other = await room.services.workspaces.create(room.owner, name="V")
    reach = await scope(room.owner, Action.MANAGE, room.services.accounts)
    (second,) = await room.services.documents.add(
        room.owner, reach, other.id, [Upload(name="a.md", sha256=first.row.sha256, size_bytes=9)]
    )
    assert second.duplicate_of is None
    assert second.row.id != first.row.id


async def test_a_failed_one_is_tried_again_when_its_content_comes_again(room: Room):
    (first,) = await room.add("a.md", content="dddd")
    await room.set(first.row.id, state="failed", error={"code": "x", "message": "X."})
    (again,) = await room.add("a.md", content="dddd")
    assert (again.duplicate_of, again.row.state, again.row.error) == (first.row.id, "queued", None)


async def test_after_deletion_the_same_content_is_new(room: Room):
    (first,) = await room.add("a.md", content="eeee")
    await room.services.documents.delete(room.owner, room.reach, first.row.id)
    (second,) = await room.add("a.md", content="eeee")
    assert second.duplicate_of is None


async def test_deleting_is_at_once_and_leaves_one_removal_job(room: Room):
    (added,) = await room.add("a.md")
    document_id = added.row.id
    await room.services.documents.delete(room.owner, room.reach, document_id)
    for reading in (
        room.services.documents.get(room.reach, document_id),
        room.services.pages.original(room.reach, document_id),
        room.services.pages.text(room.reach, document_id, 1),
        room.services.documents.delete(room.owner, room.reach, document_id),
        room.services.documents.retry(room.owner, room.reach, document_id),
        room.services.documents.cancel(room.reach, document_id),
    ):
        with pytest.raises(NotFound):
            await reading
    assert await room.services.documents.list(room.reach, room.workspace.id, limit=10) == []
    assert await room.jobs(document_id) == [("ingest", "cancelled"), ("remove_document", "queued")]
    row = await room.services.store.read(lambda tx: tx.get(DOCUMENTS, ALL, document_id))
    assert row is not None
    assert (row.state, row.searchable, row.deleted_at) == ("deleting", False, room.services.runtime.clock.now())
    assert room.told[-1] == (f"workspace:{room.workspace.id}", DocumentDeleted(document_id=document_id))


async def test_of_twenty_deletions_at_once_one_wins(room: Room):
    (added,) = await room.add("a.md")
    outcomes = await asyncio.gather(
        *(room.services.documents.delete(room.owner, room.reach, added.row.id) for _ in range(20)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert all(isinstance(outcome, NotFound) for outcome in outcomes if outcome is not None)
    assert (await room.jobs(added.row.id)).count(("remove_document", "queued")) == 1
    assert [event for _, event in room.told if isinstance(event, DocumentDeleted)] == [DocumentDeleted(document_id=added.row.id)]


async def test_retry(room: Room):
    (added,) = await room.add("a.md")
    document_id = added.row.id
    with pytest.raises(Conflict):
        await room.services.documents.retry(room.owner, room.reach, document_id)  # being worked on
    await room.services.jobs.cancel(document_id)
    assert (await room.services.documents.retry(room.owner, room.reach, document_id)).state == "queued"  # its work was lost
    await room.set(document_id, state="failed", error={"code": "password_required", "message": "P."})
    row = await room.services.documents.retry(room.owner, room.reach, document_id, password="open sesame")
    assert (row.state, row.error) == ("queued", None)
    assert room.services.documents._work.passwords == {document_id: "open sesame"}  # type: ignore[attr-defined]
    assert "open sesame" not in str(await room.services.jobs.list())
    await room.set(document_id, state="ready")
    with pytest.raises(Conflict):
        await room.services.documents.retry(room.owner, room.reach, document_id)


async def test_cancel(room: Room):
    (added,) = await room.add("a.md")
    row = await room.services.documents.cancel(room.reach, added.row.id)
    assert row.state == "failed"
    assert row.error is not None
    assert row.error["code"] == "cancelled"
    assert await room.jobs(added.row.id) == [("ingest", "cancelled")]
    assert isinstance(room.told[-1][1], DocumentFailed)
    with pytest.raises(Conflict):
        await room.services.documents.cancel(room.reach, added.row.id)


async def test_who_may_only_read_cancels_nothing(room: Room):
    (added,) = await room.add("a.md")
    narrow = await scope(replace(room.owner, key_role=Role.VIEWER), Action.WRITE, room.services.accounts)
    for attempt in (
        room.services.documents.cancel(narrow, added.row.id),
        room.services.documents.delete(room.owner, narrow, added.row.id),
        room.services.documents.retry(room.owner, narrow, added.row.id, password="guess"),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert await room.jobs(added.row.id) == [("ingest", "queued")]
    assert room.services.documents._work.passwords == {}  # type: ignore[attr-defined]


async def test_list_filters_and_pages(room: Room):
    for number in range(5):
        room.services.runtime.clock.pass_time(1)  # type: ignore[attr-defined]
        (added,) = await room.add(f"Report {number}.md")
        if number % 2:
            await room.set(added.row.id, state="ready")
    documents = room.services.documents
    names = [row.name for row in await documents.list(room.reach, room.workspace.id, limit=3)]
    assert names == ["Report 4.md", "Report 3.md", "Report 2.md"]
    last = (await documents.list(room.reach, room.workspace.id, limit=3))[-1]
    rest = await documents.list(room.reach, room.workspace.id, after=(last.created_at, last.id), limit=3)
    assert [row.name for row in rest] == ["Report 1.md", "Report 0.md"]
    assert len(await documents.list(room.reach, room.workspace.id, state="ready", limit=9)) == 2
    assert [row.name for row in await documents.list(room.reach, room.workspace.id, q="rEPORT 3", limit=9)] == ["Report 3.md"]
    assert await documents.list(room.reach, room.workspace.id, q="%", limit=9) == []


async def test_pages_rectangles_pictures_and_the_original(room: Room):
    (added,) = await room.add("a.pdf")
    document_id = added.row.id
    page = PageRow(
        id=f"{document_id}:1:1", document_id=document_id, workspace_id=room.workspace.id, version=1, number=1, text="hello",
        width_pt=595.0, height_pt=842.0,
    )  # fmt: skip
    await room.services.store.write(lambda tx: tx.insert(PAGES, page))
    pages = room.services.pages
    assert page_json(*await pages.text(room.reach, document_id, 1))["text"] == "hello"
    assert (await pages.rectangles(room.reach, document_id, 1, 0, 5)).rects == [[10.0, 20.0, 30.0, 40.0]]
    assert (await pages.image(room.reach, document_id, 1, 10**6)).startswith(b"\x89PNG")
    assert (await pages.original(room.reach, document_id)).name == "a.pdf"
    for start, end in ((0, 6), (3, 3), (4, 2), (-1, 2)):
        with pytest.raises(BadRequest):
            await pages.rectangles(room.reach, document_id, 1, start, end)
    for number in (0, 2):
        with pytest.raises(NotFound):
            await pages.text(room.reach, document_id, number)
    await room.set(document_id, media_type="text/plain")
    with pytest.raises(Unsupported):
        await pages.rectangles(room.reach, document_id, 1, 0, 5)
    with pytest.raises(Unsupported):
        await pages.image(room.reach, document_id, 1, 800)


async def test_pages_of_a_version_that_is_not_the_live_one_are_missing(room: Room):
    (added,) = await room.add("a.pdf")
    ident = f"{added.row.id}:2:1"
    page = PageRow(id=ident, document_id=added.row.id, workspace_id=room.workspace.id, version=2, number=1, text="next")
    await room.services.store.write(lambda tx: tx.insert(PAGES, page))
    with pytest.raises(NotFound):
        await room.services.pages.text(room.reach, added.row.id, 1)


async def test_which_blobs_nothing_refers_to(room: Room):
    (added,) = await room.add("a.md", content="ffff")
    await room.services.documents.delete(room.owner, room.reach, added.row.id)
    loose = "0" * 64
    await room.services.documents.release([added.row.sha256, loose])
    released = [job.payload["sha256"] for job in await room.services.jobs.list() if job.kind == "remove_version"]
    assert released == [loose]  # the job still needs the first


def test_the_shape_of_names_md():
    row = DocumentRow(id="doc_1", workspace_id="ws_1", name="a.md", created_at=0.0, updated_at=0.0)
    wanted = {
        "id", "name", "path", "tags", "state", "searchable", "media_type", "bytes", "sha256", "version", "pages", "pages_ready",
        "passages", "progress",
    }  # fmt: skip
    assert wanted <= set(document_json(row))
    assert "error" not in document_json(row)
    failed = DocumentRow(id="d", workspace_id="w", name="a", created_at=0.0, updated_at=0.0, error={"code": "x", "message": "X."})
    assert document_json(failed)["error"] == {"code": "x", "message": "X."}


async def test_the_right_is_looked_at_before_the_bytes_are_taken(room: Room):
    await room.services.documents.demand_addable(room.reach, room.workspace.id)
    with pytest.raises(AntiphonError):
        await room.services.documents.demand_addable(room.reach, "ws_missing")
