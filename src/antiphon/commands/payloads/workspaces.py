"""Payloads of workspaces, their members and search in them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from antiphon.access.identity import RoleName
from antiphon.commands.payloads.fields import Id, Ids, Labels, Name, Paged, SearchText
from antiphon.protocol.commands import Payload

ModelId = Annotated[str, Meta(min_length=1, max_length=200)]
Instructions = Annotated[str, Meta(max_length=8000)]
Mode = Literal["documents_only", "open"]
PassageCount = Annotated[int, Meta(ge=1, le=50)]
Language = Literal["zh", "en"]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Fallbacks = Annotated[list[ModelId], Meta(max_length=5)]
"""Models to go over to, in order, when one fails before its first token."""


class WorkspaceCreate(Payload):
    name: Name
    model: ModelId | None = None
    instructions: Instructions = ""
    mode: Mode = "documents_only"
    k: PassageCount = 6
    language: Language | None = None
    temperature: Temperature | None = None
    fallbacks: Fallbacks | None = None


class WorkspaceOne(Payload):
    workspace_id: Id


class WorkspaceUpdate(Payload):
    workspace_id: Id
    name: Name | UnsetType = UNSET
    model: ModelId | UnsetType | None = UNSET
    instructions: Instructions | UnsetType = UNSET
    mode: Mode | UnsetType = UNSET
    k: PassageCount | UnsetType = UNSET
    language: Language | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    fallbacks: Fallbacks | UnsetType | None = UNSET


ChunkCharacters = Annotated[int, Meta(ge=100, le=8000)]
OverlapCharacters = Annotated[int, Meta(ge=0, le=2000)]
EmbedderId = Annotated[str, Meta(min_length=1, max_length=64)]


class IndexUpdate(Payload):
    """None: the server's own setting."""

    workspace_id: Id
    chunk_characters: ChunkCharacters | UnsetType | None = UNSET
    overlap_characters: OverlapCharacters | UnsetType | None = UNSET
    embedder: EmbedderId | UnsetType | None = UNSET


class MemberList(Paged, kw_only=True):
    workspace_id: Id


class MemberPut(Payload):
    workspace_id: Id
    user_id: Id
    role: RoleName


class MemberDelete(Payload):
    workspace_id: Id
    user_id: Id


class Search(Payload):
    """`k` None: the workspace's own. The lists narrow; an empty list matches nothing."""

    workspace_id: Id
    query: SearchText
    k: PassageCount | None = None
    document_ids: Ids | None = None
    tags: Labels | None = None
    paths: Labels | None = None
