"""Files out: originals (with ranges), page images, exports. Always as attachments or images that can run nothing.

Tests: tests/unit/server/test_files.py, tests/integration/http/test_http_files.py.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from antiphon.core.errors import NotFound
from antiphon.server.errors import WrongRange
from antiphon.server.file_names import attachment
from antiphon.server.rest import Exchange

_SANDBOX: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""Sent with every file: whatever is in it, it runs nothing in our origin (security.md C8, C9)."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def parse_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """[start, end) of one byte range; None: the whole file. Raises WrongRange for several ranges, or one outside the file."""
    if header is None or not header.strip().lower().startswith("bytes"):
        return None
    matched = _RANGE.fullmatch(header.strip().lower().replace(" ", ""))
    if matched is None or matched.group(0) == "bytes=-":
        raise WrongRange("Ask for one range, as `bytes=FIRST-LAST`.", size_bytes=size_bytes)
    first, last = matched.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
    else:
        start, end = max(0, size_bytes - int(last)), size_bytes
    if start >= end:
        raise WrongRange(f"The range does not lie in the file, which has {size_bytes} bytes.", size_bytes=size_bytes)
    return start, end


async def answer_original(exchange: Exchange) -> Response:
    """The file as it was added, streamed. 206 for a range, 304 when the caller has this very content."""
    result = await exchange.execute()
    sha256, request = str(result["sha256"]), exchange.request
    size_bytes = await exchange.house.blobs.size(sha256)
    if size_bytes is None:
        raise NotFound("The original of this document is not in the store any more.")
    tag = f'"{sha256}"'
    headers = {
        **_SANDBOX, "ETag": tag, "Accept-Ranges": "bytes", "Content-Disposition": attachment(str(result["name"])),
    }  # fmt: skip
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    wanted = None
    if request.headers.get("if-range", tag) == tag:
        wanted = parse_range(request.headers.get("range"), size_bytes)
    start, end = wanted or (0, size_bytes)
    headers["Content-Length"] = str(end - start)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    content = _nothing() if request.method == "HEAD" else exchange.house.blobs.open(sha256, start=start, end=end)
    return StreamingResponse(
        content, status_code=200 if wanted is None else 206, headers=headers, media_type=str(result["media_type"])
    )


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def answer_image(exchange: Exchange) -> Response:
    """The picture of one page, as PNG."""
    result = await exchange.execute()
    return Response(result["png"], headers=_SANDBOX, media_type="image/png")


async def answer_export(exchange: Exchange) -> Response:
    """A conversation as a file to keep."""
    result = await exchange.execute()
    headers = {**_SANDBOX, "Cache-Control": "no-store", "Content-Disposition": attachment(str(result["name"]))}
    return Response(str(result["content"]), headers=headers, media_type=str(result["media_type"]))
