"""server/web_app.py by itself: which form of a file goes out, and which files there are. Over HTTP: test_http_pages.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from antiphon.server.web_app import PAGE_PATHS, _accepts, web_routes


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip, deflate, br, zstd", True), ("br", True), ("gzip, br;q=0.5", True), ("br;q=0", False), ("br; q=0.0", False),
        ("gzip", False), ("", False), ("brotli", False), ("*", False),
    ],
)  # fmt: skip
def test_what_a_browser_takes(header: str, accepted: bool):
    assert _accepts(header, "br") is accepted


async def _get(app: Starlette, path: str, **headers: str) -> tuple[Response, bytes]:
    """The answer of the route that matches, as the router chooses it."""
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()], "root_path": "",
    }  # fmt: skip
    for route in app.routes:
        match, child = route.matches(scope)
        if match.value == 2:
            response = await route.endpoint(Request({**scope, **child}))
            return response, response.body
    raise AssertionError(path)


async def test_a_bundle_is_served_under_its_names(tmp_path: Path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>page")
    (tmp_path / "assets" / "a-1.js").write_text("script")
    (tmp_path / "assets" / "a-1.js.br").write_bytes(b"small")
    (tmp_path / "theme.js").write_text("theme")
    (tmp_path / "secret.txt").write_text("no type of ours")
    app = Starlette(routes=[*web_routes(tmp_path)])
    for path in ("/", "/c/ses_1", "/settings/models"):
        assert (await _get(app, path))[1] == b"<p>page"
    response, body = await _get(app, "/assets/a-1.js", accept_encoding="br")
    assert (body, response.headers["content-encoding"]) == (b"small", "br")
    response, body = await _get(app, "/assets/a-1.js")
    assert (body, response.headers["cache-control"]) == (b"script", "public, max-age=31536000, immutable")
    response, body = await _get(app, "/theme.js")
    assert (body, response.headers["cache-control"]) == (b"theme", "no-cache")
    with pytest.raises(AssertionError):
        await _get(app, "/secret.txt")


async def test_without_a_bundle_the_plain_page_stands_at_each_address(tmp_path: Path):
    app = Starlette(routes=[*web_routes(tmp_path)])
    for path in PAGE_PATHS:
        response, body = await _get(app, path.replace("{", "").replace("}", ""))
        assert b"make web" in body
        assert "content-security-policy" in response.headers
