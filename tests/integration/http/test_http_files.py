"""Originals, page images and exports (security.md B7 by the handlers' rights, C8, C10)."""

from __future__ import annotations

import pytest

URL = "/api/v1/documents/doc_1/original"
CONTENT = bytes(range(256)) * 20


@pytest.fixture
async def original(house):
    async def pieces():
        yield CONTENT

    await house.blobs.put(pieces(), max_bytes=0)
    return house.url + URL


async def test_c8_an_original_is_an_attachment_that_runs_nothing(original, http, ann):
    async with http.get(original, headers=ann) as answer:
        assert (answer.status, await answer.read()) == (200, CONTENT)
    headers = answer.headers
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"h_and__buch __.pdf\"; filename*=UTF-8''h%22and%20buch%20%E6%89%8B%E5%86%8C.pdf"
    ) or headers["Content-Disposition"].startswith(
        "attachment; filename=\"h_and buch __.pdf\"; filename*=UTF-8''h%22and%20buch%20"
    )
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert (headers["X-Content-Type-Options"], headers["Accept-Ranges"], int(headers["Content-Length"])) == (
        "nosniff",
        "bytes",
        5120,
    )


@pytest.mark.parametrize(("asked", "start", "end"), [
    ("bytes=0-0", 0, 1), ("bytes=10-99", 10, 100), ("bytes=5000-", 5000, 5120), ("bytes=-7", 5113, 5120),
    ("bytes=100-999999", 100, 5120), ("bytes=-999999", 0, 5120), ("BYTES = 1-2", 1, 3),
])  # fmt: skip
async def test_ranges(original, http, ann, asked, start, end):
    async with http.get(original, headers={**ann, "Range": asked}) as answer:
        assert (answer.status, await answer.read()) == (206, CONTENT[start:end])
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/5120"


@pytest.mark.parametrize("asked", [
    "bytes=5120-", "bytes=9-3", "bytes=-0", "bytes=-", "bytes=x-y", "bytes=0-1,5-6", "bytes=" + "0-," * 5000, "bytes=1-2-3",
    "bytes=99999999999999999999-", "bytes=٣-",
])  # fmt: skip
async def test_c10_range_abuse_is_416(original, http, ann, asked):
    async with http.get(original, headers={**ann, "Range": asked}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */5120")
        assert (await answer.json())["error"]["code"] == "bad_request"


async def test_other_units_and_stale_validators_get_the_whole(original, http, ann):
    for headers in ({"Range": "lines=1-2"}, {"Range": "bytes=0-1", "If-Range": '"other"'}):
        async with http.get(original, headers={**ann, **headers}) as answer:
            assert (answer.status, len(await answer.read())) == (200, 5120)
    tag = answer.headers["ETag"]
    async with http.get(original, headers={**ann, "Range": "bytes=0-1", "If-Range": tag}) as answer:
        assert answer.status == 206
    async with http.get(original, headers={**ann, "If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")


async def test_head_of_an_original(original, http, ann):
    async with http.head(original, headers=ann) as answer:
        assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, "5120", b"")


async def test_b7_files_need_credentials(original, house, http):
    for path in (
        URL,
        "/api/v1/documents/doc_1/pages/1/image",
        "/api/v1/sessions/ses_1/export",
        "/api/v1/documents/d/pages/1/text",
    ):
        async with http.get(house.url + path) as answer:
            assert answer.status == 401


async def test_page_images_and_exports(house, http, ann):
    async with http.get(f"{house.url}/api/v1/documents/doc_1/pages/1/image", headers=ann) as answer:
        assert (answer.content_type, (await answer.read())[:4]) == ("image/png", b"\x89PNG")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    async with http.get(f"{house.url}/api/v1/sessions/ses_1/export", headers=ann) as answer:
        assert (await answer.read()).decode() == "# 你好\n"
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="talk.md"')
