"""The plain pages: `/`, `/sign-in` and their static files. No build step, no inline script or style, nothing from elsewhere.

The files lie in server/pages/ and are read once, when the application is made. Tests: tests/integration/http/test_http_pages.py.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from antiphon.core.errors import NotFound

_FOLDER: Final = Path(__file__).parent / "pages"
_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}  # fmt: skip
_POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {sockets}; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class StaticFile:
    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.media_type = _MEDIA_TYPES[path.suffix]
        self.tag = f'"{sha256(self.content).hexdigest()[:32]}"'


def page_routes() -> list[Route]:
    files = {path.name: StaticFile(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _MEDIA_TYPES}

    async def index(request: Request) -> Response:
        return _answer(request, files["index.html"])

    async def sign_in(request: Request) -> Response:
        return _answer(request, files["sign_in.html"])

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files or name.endswith(".html"):
            raise NotFound("There is nothing at this address.")
        return _answer(request, files[name])

    return [
        Route("/", index, methods=["GET"]),
        Route("/sign-in", sign_in, methods=["GET"]),
        Route("/static/{name}", static, methods=["GET"]),
    ]


def _answer(request: Request, file: StaticFile) -> Response:
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    if file.media_type.startswith("text/html"):
        # Safari takes 'self' in connect-src for http only: sockets of this very host are named.
        host, scheme = request.headers.get("host", ""), "wss" if request.url.scheme == "https" else "ws"
        headers["Content-Security-Policy"] = _POLICY.format(sockets=f"{scheme}://{_host_source(host)}")
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def _host_source(host: str) -> str:
    """The Host header, when it is nothing but a host: it must not be able to add a directive."""
    plain = all(c.isascii() and (c.isalnum() or c in ".-:[]") for c in host)
    return host if plain and host else "localhost"
