"""Payloads of addresses of the web, crawls and watches."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from antiphon.commands.payloads.fields import Id, Labels, Paged
from antiphon.protocol.commands import Payload

Address = Annotated[str, Meta(min_length=1, max_length=4000)]
Depth = Annotated[int, Meta(ge=0, le=20)]
Seconds = Annotated[float, Meta(gt=0, le=10**9)]


class UrlAdd(Payload):
    """`depth`: how many links are followed from the address. `sitemap`: true for the site's own, or the address of one."""

    workspace_id: Id
    url: Address
    depth: Depth = 0
    sitemap: bool | Address = False
    tags: Labels = []


class CrawlOne(Payload):
    crawl_id: Id


class WatchAdd(Payload):
    """One of `folder` (absolute path on the server) and `url`."""

    workspace_id: Id
    folder: Address | None = None
    url: Address | None = None
    depth: Depth = 0
    sitemap: bool | Address = False
    tags: Labels = []
    interval_s: Seconds = 86_400.0
    delete_missing: bool = False


class WatchList(Paged, kw_only=True):
    workspace_id: Id


class WatchOne(Payload):
    watch_id: Id


class WatchChange(Payload):
    """What is left out stays."""

    watch_id: Id
    interval_s: Seconds | UnsetType = UNSET
    delete_missing: bool | UnsetType = UNSET
    tags: Labels | UnsetType = UNSET
    paused: bool | UnsetType = UNSET
