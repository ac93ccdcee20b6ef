"""The web app: the bundle that `hatch_build.py` makes of `web/`, and the page for each of its addresses.

Names under /assets/ hold a hash of their content and are kept by browsers for good; everything else is asked for again. Texts lie
beside their br and gzip forms (scripts/build_web.py) and go out as the browser takes them. Without a bundle (a checkout without
Node) a plain page says how to get one. Read once, when the application is made; big files are streamed from the disk.
docs/subsystems/web.md. Tests: tests/integration/http/test_http_pages.py, tests/unit/server/test_web_app.py, tests/browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from antiphon.core.errors import NotFound

BUNDLE: Final = Path(__file__).parent / "bundle"
PLAIN_PAGES: Final = Path(__file__).parent / "pages"
PAGE_PATHS: Final = ("/", "/sign-in", "/c/{session_id}", "/d/{document_id}", "/documents", "/settings", "/settings/{section}")
"""Addresses of the web app (web/src/app/router.ts): each is answered with the page, which reads the address itself."""

_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8", ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png",
    ".webmanifest": "application/manifest+json", ".woff2": "font/woff2", ".woff": "font/woff", ".ttf": "font/ttf",
    ".pfb": "application/octet-stream", ".bcmap": "application/octet-stream", ".wasm": "application/wasm",
}  # fmt: skip
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_IN_MEMORY_BYTES: Final = 256 * 1024
_POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; worker-src 'self'; "
    "connect-src 'self' {sockets}; manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file of the bundle. `encoded`: encoding -> file, where a compressed form lies beside it."""

    path: Path
    media_type: str
    tag: str
    immutable: bool
    encoded: dict[str, Path]


def web_routes(bundle: Path = BUNDLE) -> list[Route]:
    """The page at each of its addresses, and every file of the bundle and of the plain pages."""
    assets = dict(_read(bundle)) if (bundle / "index.html").is_file() else {}
    plain = {f"/static{name}": asset for name, asset in _read(PLAIN_PAGES)}
    page = assets.pop("/index.html", None) or plain["/static/no_bundle.html"]
    del plain["/static/no_bundle.html"]
    files = {**plain, **assets}

    async def answer_page(request: Request) -> Response:
        return _answer(request, page)

    async def answer_file(request: Request) -> Response:
        found = files.get(request.url.path)
        if found is None:
            raise NotFound("There is nothing at this address.")
        return _answer(request, found)

    pages = [Route(path, answer_page, methods=["GET"]) for path in PAGE_PATHS]
    folders = sorted({"/" + name.split("/")[1] + "/{rest:path}" for name in files if name.count("/") > 1})
    single = sorted(name for name in files if name.count("/") == 1)
    return [*pages, *(Route(path, answer_file, methods=["GET"]) for path in (*single, *folders))]


def _read(folder: Path) -> Iterator[tuple[str, Asset]]:
    for path in sorted(folder.rglob("*")):
        media_type = _MEDIA_TYPES.get(path.suffix)
        if media_type is None or not path.is_file():
            continue
        name = "/" + path.relative_to(folder).as_posix()
        encoded = {encoding: path.with_name(path.name + suffix) for encoding, suffix in _ENCODINGS}
        yield name, Asset(
            path=path, media_type=media_type, tag=sha256(path.read_bytes()).hexdigest()[:32],
            immutable=name.startswith("/assets/"), encoded={e: p for e, p in encoded.items() if p.is_file()},
        )  # fmt: skip


def _answer(request: Request, asset: Asset) -> Response:
    chosen = next((e for e in asset.encoded if _accepts(request.headers.get("accept-encoding", ""), e)), None)
    tag = f'"{asset.tag}{f"-{chosen}" if chosen else ""}"'
    headers = {"ETag": tag, "Cache-Control": _IMMUTABLE if asset.immutable else "no-cache"}
    if asset.encoded:
        headers["Vary"] = "Accept-Encoding"
    if asset.media_type.startswith("text/html"):
        # Safari takes 'self' in connect-src for http only: sockets of this very host are named.
        host, scheme = request.headers.get("host", ""), "wss" if request.url.scheme == "https" else "ws"
        headers["Content-Security-Policy"] = _POLICY.format(sockets=f"{scheme}://{host_source(host)}")
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if chosen:
        headers["Content-Encoding"] = chosen
    path = asset.encoded[chosen] if chosen else asset.path
    if path.stat().st_size > _IN_MEMORY_BYTES:
        return FileResponse(path, headers=headers, media_type=asset.media_type)
    return Response(path.read_bytes(), media_type=asset.media_type, headers=headers)


def _accepts(header: str, encoding: str) -> bool:
    for part in header.split(","):
        name, _, weight = part.strip().partition(";")
        if name.strip() == encoding:
            return weight.replace(" ", "") not in {"q=0", "q=0.0"}
    return False


def host_source(host: str) -> str:
    """The Host header, when it is nothing but a host: it must not be able to add a directive."""
    plain = all(c.isascii() and (c.isalnum() or c in ".-:[]") for c in host)
    return host if plain and host else "localhost"
