"""Payloads of documents. `DocumentAdd` is filled by the HTTP edge after the bytes are in the blob store, by nobody else."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from antiphon.commands.payloads.fields import Id, Paged, PageNumber, Password, Position, SearchText
from antiphon.protocol.commands import Payload
from antiphon.storage.records.rows import DocumentState

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]


class UploadedFile(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`media_type` is what the client said; ingestion tells the type by the content."""

    name: Annotated[str, Meta(max_length=20_000)]
    sha256: Sha256
    bytes: Annotated[int, Meta(ge=0)]
    media_type: Annotated[str, Meta(max_length=400)] | None = None


class DocumentAdd(Payload):
    workspace_id: Id
    files: Annotated[list[UploadedFile], Meta(min_length=1, max_length=500)]


class DocumentList(Paged, kw_only=True):
    """`q`: part of the name."""

    workspace_id: Id
    state: DocumentState | None = None
    q: SearchText | None = None


class DocumentOne(Payload):
    document_id: Id


class DocumentRetry(Payload):
    """`password` opens an encrypted file (error code `password_required`)."""

    document_id: Id
    password: Password | None = None


class DocumentPage(Payload):
    document_id: Id
    page: PageNumber


class DocumentRects(Payload):
    """Code points [start, end) of the page's stored text."""

    document_id: Id
    page: PageNumber
    start: Position
    end: Position


class DocumentPageImage(Payload):
    """`width` in pixels."""

    document_id: Id
    page: PageNumber
    width: Annotated[int, Meta(ge=64, le=2400)] = 1000
