"""`Arrivals`: what becomes of content that arrives: a new document, a newer version of one, or nothing new. For documents.py.

Everything here runs inside one transaction of the caller's, jobs included. A newer version is a `ReplacementRow` beside the
document until its job puts it in its place; its number is never used again, not even for another try. Tests:
tests/unit/library/test_documents.py, tests/integration/test_ingest_versions.py.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal, Protocol

from msgspec import structs

from antiphon.access.identity import Identity
from antiphon.access.scope import Scope
from antiphon.core.display_names import clean_file_name
from antiphon.core.errors import BadRequest
from antiphon.core.runtime import Runtime
from antiphon.ingest.pipeline import INGEST_JOB, LIGHT_BYTES
from antiphon.ingest.removal import version_removal
from antiphon.library.removal import document_job, live_document
from antiphon.library.web.beginning import fetch_again
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import DOCUMENTS, REPLACEMENTS, DocumentRow, ReplacementRow

Change = Literal["added", "unchanged", "replaced", "duplicate"]
LONGEST_PATH: Final = 1000
MOST_TAGS: Final = 50
LONGEST_TAG: Final = 100
_MEDIA_TYPES: Final = {".pdf": "application/pdf", ".md": "text/markdown", ".markdown": "text/markdown", ".txt": "text/plain"}
_LIGHT: Final = frozenset({
    ".txt", ".md", ".markdown", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".html", ".htm", ".log", ".rst", ".py", ".js", ".ts",
    ".java", ".c", ".h", ".cpp", ".go", ".rs", ".rb", ".php", ".sh", ".sql", ".css", ".yaml", ".yml", ".toml", ".ini", ".eml",
    ".ipynb",
})  # fmt: skip
"""Names of files that are read in milliseconds when they are small; a wrong guess costs a batch a moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A file whose content lies in the blob store. `name` is as the client gave it; `path` is the client's own: with
    the name it says which file this is, so that it can come again."""

    name: str
    sha256: str
    size_bytes: int
    path: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """`unchanged`: the document had this content; `duplicate`: another one has it, and `row` is that one; `replaced`: `version`
    is being made of it."""

    row: DocumentRow
    change: Change = "added"
    version: int = 1

    @property
    def duplicate_of(self) -> str | None:
        """The document that holds this content already; nothing new was made."""
        return self.row.id if self.change in {"unchanged", "duplicate"} else None


class Overtaken(Protocol):
    """`ingest.workers.IngestWorkers`, as those see it who bring new versions."""

    async def overtaken(self, document_id: str, version: int) -> None:
        """Ends the work on versions before this one. Called after the commit."""
        ...


class Arrivals:
    """Without state."""

    def __init__(self, jobs: JobQueue, runtime: Runtime) -> None:
        self._jobs = jobs
        self._runtime = runtime

    def add(self, tx: Transaction, identity: Identity, scope: Scope, workspace_id: str, upload: Upload, tags: list[str]) -> Added:
        """The caller has checked the right to write."""
        path, name = clean_path(upload.path), clean_file_name(upload.name)
        present = document_at(tx, scope, workspace_id, path, name)
        if present is not None:
            if tags and tags != present.tags:
                tx.update(DOCUMENTS, scope, present.id, tags=tags, updated_at=self._runtime.clock.now())
            return self.replace(tx, identity, scope, live_document(tx, scope, present.id), upload)
        same = {"workspace_id": workspace_id, "sha256": upload.sha256, "deleted_at": None}
        for twin in tx.find(DOCUMENTS, scope, same, order="created_at", limit=1):
            row = (
                self.again(tx, identity, scope, twin)
                if twin.state == "failed" and self._pending(tx, scope, twin) is None
                else twin
            )
            return Added(row=row, change="duplicate", version=row.version)
        now = self._runtime.clock.now()
        row = DocumentRow(
            id=self._runtime.ids.new("doc"), workspace_id=workspace_id, name=name, path=path, tags=tags,
            media_type=_declared_type(name), bytes=upload.size_bytes, sha256=upload.sha256, added_by=identity.user_id,
            created_at=now, updated_at=now,
        )  # fmt: skip
        tx.insert(DOCUMENTS, row)
        self._jobs.enqueue(tx, self._first_job(row, identity))
        return Added(row=row)

    def replace(self, tx: Transaction, identity: Identity, scope: Scope, row: DocumentRow, upload: Upload) -> Added:
        """The next version of the document, or nothing when it has this content, or is getting it."""
        pending = self._pending(tx, scope, row)
        wanted = row.sha256 if pending is None else pending.sha256
        if wanted == upload.sha256:
            row = self.again(tx, identity, scope, row) if row.state == "failed" else row
            return Added(row=row, change="unchanged", version=row.version if pending is None else pending.version)
        newer = ReplacementRow(
            id=row.id, workspace_id=row.workspace_id, version=1 + (row.version if pending is None else pending.version),
            sha256=upload.sha256, name=clean_file_name(upload.name) or row.name, bytes=upload.size_bytes,
            added_by=identity.user_id, created_at=self._runtime.clock.now(),
        )  # fmt: skip
        return Added(row=self._set_pending(tx, identity, scope, row, pending, newer), change="replaced", version=newer.version)

    def fill(self, tx: Transaction, identity: Identity, scope: Scope, row: DocumentRow, upload: Upload) -> Added:
        """The first content of a document that waited for it. When another one has this content, nothing is changed here."""
        for twin in tx.find(
            DOCUMENTS, scope, {"workspace_id": row.workspace_id, "sha256": upload.sha256, "deleted_at": None}, limit=1
        ):
            return Added(row=twin, change="duplicate", version=twin.version)
        name = clean_file_name(upload.name)
        tx.update(
            DOCUMENTS, scope, row.id, name=name, path=clean_path(upload.path), media_type=_declared_type(name),
            bytes=upload.size_bytes, sha256=upload.sha256, updated_at=self._runtime.clock.now(),
        )  # fmt: skip
        filled = self._queued(tx, scope, row)
        self._jobs.enqueue(tx, self._first_job(filled, identity))
        return Added(row=filled)

    def again(self, tx: Transaction, identity: Identity, scope: Scope, row: DocumentRow) -> DocumentRow:
        """Another try of what the document is to become: of reading it, or of fetching it when that never came to anything."""
        if fetch_again(tx, scope, self._jobs, self._runtime, row, by=identity.user_id):
            return self._queued(tx, scope, row)
        pending = self._pending(tx, scope, row)
        if pending is not None:
            return self._set_pending(tx, identity, scope, row, pending, structs.replace(pending, version=pending.version + 1))
        if row.state == "ready":  # an incomplete one: the same content as its next version, the present one serves meanwhile
            now = self._runtime.clock.now()
            newer = ReplacementRow(
                id=row.id, workspace_id=row.workspace_id, version=row.version + 1, sha256=row.sha256, name=row.name,
                bytes=row.bytes, added_by=identity.user_id, created_at=now,
            )  # fmt: skip
            return self._set_pending(tx, identity, scope, row, None, newer)
        self._jobs.enqueue(tx, document_job(INGEST_JOB, row, self._runtime, by=identity.user_id))
        return self._queued(tx, scope, row)

    def _first_job(self, row: DocumentRow, identity: Identity) -> Job:
        job = document_job(INGEST_JOB, row, self._runtime, by=identity.user_id)
        light = row.bytes <= LIGHT_BYTES and PurePosixPath(row.name.lower()).suffix in _LIGHT
        return structs.replace(job, payload={**job.payload, "light": True}) if light else job

    def abandon_work(self, tx: Transaction, scope: Scope, document_id: str) -> None:
        """What a cancelled newer version has put into the store already is removed; another try has another number."""
        row = live_document(tx, scope, document_id)
        pending = self._pending(tx, scope, row)
        if pending is not None:
            self._jobs.enqueue(tx, version_removal(row, pending.version, "", self._runtime))

    def _set_pending(
        self,
        tx: Transaction,
        identity: Identity,
        scope: Scope,
        row: DocumentRow,
        old: ReplacementRow | None,
        newer: ReplacementRow,
    ) -> DocumentRow:
        if old is not None:
            tx.delete(REPLACEMENTS, scope, {"id": row.id})
            left = old.sha256 if old.sha256 != newer.sha256 else ""
            self._jobs.enqueue(tx, version_removal(row, old.version, left, self._runtime))
        tx.insert(REPLACEMENTS, newer)
        job = document_job(INGEST_JOB, row, self._runtime, by=identity.user_id)
        self._jobs.enqueue(tx, structs.replace(job, payload={"version": newer.version, "sha256": newer.sha256}))
        return self._queued(tx, scope, row)

    def _queued(self, tx: Transaction, scope: Scope, row: DocumentRow) -> DocumentRow:
        tx.update(DOCUMENTS, scope, row.id, state="queued", error=None, progress=None, updated_at=self._runtime.clock.now())
        return live_document(tx, scope, row.id)

    def _pending(self, tx: Transaction, scope: Scope, row: DocumentRow) -> ReplacementRow | None:
        return tx.get(REPLACEMENTS, scope, row.id)


def document_at(tx: Transaction, scope: Scope, workspace_id: str, path: str, name: str) -> DocumentRow | None:
    """The document with this path and name; None for an empty path. (Some clients send the folder as path, some the file.)"""
    if not path:
        return None
    where = {"workspace_id": workspace_id, "path": path, "name": name, "deleted_at": None}
    found = tx.find(DOCUMENTS, scope, where, order="created_at", limit=1)
    return found[0] if found else None


def clean_path(path: str) -> str:
    """`/` between parts, no empty ones, NFC. Raises BadRequest for a path that leads out of its folder, or is too long."""
    cleaned = unicodedata.normalize("NFC", path.replace("\\", "/"))
    parts = [part for part in cleaned.split("/") if part not in {"", "."}]
    if ".." in parts or not all(part.isprintable() for part in parts):
        raise BadRequest(f"{path[:80]!r} is no path inside a folder: leave out '..' and control characters.")
    cleaned = "/".join(parts)
    if len(cleaned) > LONGEST_PATH:
        raise BadRequest(f"The path is {len(cleaned)} characters long; {LONGEST_PATH} are allowed.")
    return cleaned


def clean_tags(tags: Sequence[str]) -> list[str]:
    """Without blanks around them, each once. Raises BadRequest for too many or too long ones."""
    found = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    if len(found) > MOST_TAGS or any(len(tag) > LONGEST_TAG or not tag.isprintable() for tag in found):
        raise BadRequest(f"A document has up to {MOST_TAGS} tags of up to {LONGEST_TAG} printable characters each.")
    return found


def _declared_type(name: str) -> str:
    """By the name, until ingestion has looked at the content."""
    return _MEDIA_TYPES.get(name[name.rfind(".") :].lower() if "." in name else "", "application/octet-stream")
