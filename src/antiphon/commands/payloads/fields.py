"""Bounded field types that payloads share. A field that is left out of a change is `UNSET`; None means "reset"."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from antiphon.protocol.commands import Payload

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=400)]
"""Cleaned and cut by the room it goes to."""
Password = Annotated[str, Meta(min_length=1, max_length=1024)]
Secret = Annotated[str, Meta(min_length=1, max_length=512)]
SearchText = Annotated[str, Meta(min_length=1, max_length=2000)]
Limit = Annotated[int, Meta(ge=1, le=200)]
Cursor = Annotated[str, Meta(min_length=1, max_length=256)]
Position = Annotated[int, Meta(ge=0, le=2**31)]
PageNumber = Annotated[int, Meta(ge=1, le=10**6)]
Ids = Annotated[list[Id], Meta(max_length=1000)]
Labels = Annotated[list[Annotated[str, Meta(max_length=400)]], Meta(max_length=100)]


class Nothing(Payload):
    pass


class Paged(Payload):
    """`cursor`: the `next_cursor` of the page before."""

    cursor: Cursor | None = None
    limit: Limit = 50
