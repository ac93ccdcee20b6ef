"""Payloads of documents. `DocumentAdd` is filled by the HTTP edge after the bytes are in the blob store, by nobody else."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from antiphon.commands.payloads.fields import Id, Ids, Labels, Name, Paged, PageNumber, Password, Position, SearchText
from antiphon.protocol.commands import Payload
from antiphon.storage.records.rows import DocumentState

DocumentPath = Annotated[str, Meta(max_length=4000)]
Version = Annotated[int, Meta(ge=1, le=2**31)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]


class UploadedFile(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`media_type` is what the client said; ingestion tells the type by the content."""

    name: Annotated[str, Meta(max_length=20_000)]
    sha256: Sha256
    bytes: Annotated[int, Meta(ge=0)]
    media_type: Annotated[str, Meta(max_length=400)] | None = None
    path: DocumentPath | None = None


class DocumentAdd(Payload):
    """`path` and `tags` are those of all files; a file's own path goes before."""

    workspace_id: Id
    files: Annotated[list[UploadedFile], Meta(min_length=1, max_length=500)]
    path: DocumentPath | None = None
    tags: Labels = []


class DocumentReplace(Payload):
    """One file: the document's next version."""

    document_id: Id
    files: Annotated[list[UploadedFile], Meta(min_length=1, max_length=1)]


class DocumentChange(Payload):
    """What is left out stays."""

    document_id: Id
    name: Name | UnsetType = UNSET
    path: DocumentPath | UnsetType = UNSET
    tags: Labels | UnsetType = UNSET


class DocumentList(Paged, kw_only=True):
    """`q`: part of the name. `path`: of exactly this one. `ids`: only these."""

    workspace_id: Id
    ids: Ids | None = None
    path: DocumentPath | None = None
    state: DocumentState | None = None
    q: SearchText | None = None


class DocumentOne(Payload):
    document_id: Id


class DocumentRetry(Payload):
    """`password` opens an encrypted file (error code `password_required`)."""

    document_id: Id
    password: Password | None = None


class DocumentPage(Payload):
    """`version`: as a citation has it; answered only when it is the present one."""

    document_id: Id
    page: PageNumber
    version: Version | None = None


class DocumentRects(Payload):
    """Code points [start, end) of the page's stored text."""

    document_id: Id
    page: PageNumber
    start: Position
    end: Position
    version: Version | None = None


class DocumentPageImage(Payload):
    """`width` in pixels."""

    document_id: Id
    page: PageNumber
    width: Annotated[int, Meta(ge=64, le=2400)] = 1000
    version: Version | None = None
