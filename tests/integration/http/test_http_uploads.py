"""Uploads stream into the blob store; what does not succeed leaves nothing (security.md B5, C1, C10)."""

from __future__ import annotations

import asyncio
import hashlib
import time
from urllib.parse import urlsplit

import aiohttp
import pytest

URL = "/api/v1/workspaces/ws_1/documents"


def body(*parts: tuple[str, bytes], boundary: bytes = b"XX", end: bytes = b"--XX--\r\n") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts) + end


def file_head(name: str, *, part: str = "file", media_type: str = "application/pdf") -> str:
    return f'Content-Disposition: form-data; name="{part}"; filename="{name}"\r\nContent-Type: {media_type}'


HEADERS = {"Content-Type": "multipart/form-data; boundary=XX"}


async def test_several_files_arrive_whole(house, http, ann):
    contents = [bytes(range(256)) * 900, b"", b"--XX not a boundary\r\n--X" * 50]
    parts = [(file_head(f"f{n}.pdf"), content) for n, content in enumerate(contents)]
    parts.insert(1, ('Content-Disposition: form-data; name="path"', "报告/2026".encode()))
    parts.append(('Content-Disposition: form-data; name="tags"', b"a,b"))
    parts.append((file_head(""), b""))
    async with http.post(house.url + URL, data=body(*parts), headers={**ann, **HEADERS}) as answer:
        assert (answer.status, [d["name"] for d in (await answer.json())["documents"]]) == (202, ["f0.pdf", "f1.pdf", "f2.pdf"])
    [(_, fields)] = house.calls
    assert (fields["path"], fields["tags"], fields["workspace_id"]) == ("报告/2026", ["a", "b"], "ws_1")
    assert [f["sha256"] for f in fields["files"]] == [hashlib.sha256(content).hexdigest() for content in contents]
    assert [f["bytes"] for f in fields["files"]] == [len(content) for content in contents]
    assert house.released == []


async def test_a_large_file_is_never_whole_in_memory(house, http, ann):
    house.settings = house.settings.model_copy(update={"limits": house.settings.limits.model_copy(update={"upload_bytes": 0})})

    async def parts():
        yield b"--XX\r\n" + file_head("big.pdf").encode() + b"\r\n\r\n"
        for _ in range(200):
            yield b"x" * 50_000
        yield b"\r\n--XX--\r\n"

    async with http.post(house.url + URL, data=parts(), headers={**ann, **HEADERS}) as answer:
        assert answer.status == 202
    assert house.calls[0][1]["files"][0]["bytes"] == 10_000_000
    assert house.blobs.most <= 600_000  # one network read, not the file


async def test_aiohttp_and_its_encodings_of_names(house, http, ann):
    form = aiohttp.FormData()
    form.add_field("file", b"1", filename="手册 2026.pdf", content_type="application/pdf")
    async with http.post(house.url + URL, data=form, headers=ann) as answer:
        assert (await answer.json())["documents"][0]["name"] == "手册 2026.pdf"


@pytest.mark.parametrize(("raw", "kept"), [
    (b"../../x.pdf", "x.pdf"), (b"C:\\secret\\x.pdf", "x.pdf"), (b"a%0D%0Ab.pdf", "a b.pdf"), (b"n\x00ul.pdf", "nul.pdf"),
    ("a\u202efdp.exe".encode(), "afdp.exe"), (b"<img src=x onerror=alert(1)>.pdf", "<img src=x onerror=alert(1)>.pdf"),
    ("手册.pdf".encode(), "手册.pdf"), ("手册.pdf".encode("gb18030"), "手册.pdf"), (b"..", "document"),
    (b"x" * 5000 + b".pdf", "x" * 196 + ".pdf"), (b"%22q%22.pdf", '"q".pdf'),
])  # fmt: skip
async def test_c1_names(house, http, ann, raw, kept):
    head = b'Content-Disposition: form-data; name="file"; filename="' + raw + b'"'
    data = b"--XX\r\n" + head + b"\r\n\r\ncontent\r\n--XX--\r\n"
    async with http.post(house.url + URL, data=data, headers={**ann, **HEADERS}) as answer:
        assert (answer.status, (await answer.json())["documents"][0]["name"]) == (202, kept)


async def test_the_right_is_looked_at_before_the_body(house, http, ann, bob):
    """Only the head and the first line are sent; the refusal comes all the same."""
    for headers, workspace, status in [
        ({}, "ws_1", 401), (bob, "ws_1", 403), (ann, "ws_2", 404), (bob, "ws_2", 404),
    ]:  # fmt: skip

        async def nothing_yet():
            yield b"--XX\r\n"
            await asyncio.sleep(1.0)
            yield b"--XX--\r\n"

        url = house.url + URL.replace("ws_1", workspace)
        began = time.monotonic()
        async with http.post(url, data=nothing_yet(), headers={**headers, **HEADERS}) as answer:
            assert answer.status == status
            assert time.monotonic() - began < 0.8
    assert house.calls == []
    assert house.blobs.kept == {}


@pytest.mark.parametrize(("data", "status"), [
    (body((file_head("a.pdf"), b"1"), (file_head("big.pdf"), b"x" * 300_001)), 413),
    (body((file_head("a.pdf"), b"1"), (file_head("b.pdf", part="other"), b"2")), 422),
    (body((file_head("a.pdf"), b"1"), ('Content-Disposition: form-data; name="role"', b"owner")), 422),
    (body((file_head("a.pdf"), b"1"), ('Content-Disposition: form-data; name="path"', b"refused")), 409),
    (body((file_head("a.pdf"), b"1"), ('Content-Disposition: form-data; name="path"', b"x" * 70_000)), 413),
    (body((file_head("a.pdf"), b"1"), end=b""), 400), (body((file_head("a.pdf"), b"1"), end=b"garbage"), 400),
    (body((file_head("a.pdf"), b"1"), *[(file_head("n.pdf"), b"")] * 200), 413),
    (body((file_head("a.pdf"), b"1"), ("X: " + "y" * 20_000, b"2")), 400),
])  # fmt: skip
async def test_c10_what_does_not_succeed_leaves_nothing(house, http, ann, data, status):
    async with http.post(house.url + URL, data=data, headers={**ann, **HEADERS}) as answer:
        assert answer.status == status
    assert house.blobs.kept == {}
    if status != 400 and len(data) < 2**20 and data.count(b"n.pdf") == 0:  # else refused while the first piece is parsed
        assert hashlib.sha256(b"1").hexdigest() in house.released


@pytest.mark.parametrize(("content_type", "status"), [
    ("application/json", 415), ("multipart/form-data", 415), ("multipart/mixed; boundary=XX", 415),
    ("multipart/form-data; boundary=" + "X" * 300, 400),
])  # fmt: skip
async def test_c10_other_bodies_are_refused(house, http, ann, content_type, status):
    async with http.post(house.url + URL, data=b"--XX--\r\n", headers={**ann, "Content-Type": content_type}) as answer:
        assert answer.status == status
    async with http.post(house.url + URL, data=b"--XX--\r\n", headers={**ann, **HEADERS}) as answer:
        assert answer.status == 422  # no file at all


async def test_a_broken_off_upload_leaves_nothing(house, ann):
    at = urlsplit(house.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    head = f"POST {URL} HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer key-of-ann\r\nContent-Length: 100000\r\n"
    writer.write(head.encode() + b"Content-Type: multipart/form-data; boundary=XX\r\n\r\n")
    writer.write(body((file_head("a.pdf"), b"1"), (file_head("b.pdf"), b"2" * 500), end=b"")[:-20])
    await writer.drain()
    await house.blobs.began.wait()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while not house.released:
            await asyncio.sleep(0.01)
    assert house.blobs.kept == {}
    assert house.calls == []
    del reader


async def test_no_blob_is_removed_between_its_storing_and_its_row(house, http, ann):
    """The gate is shut before the first blob is there, opened after the verb ran, and open again when blobs are released."""
    parts = [(file_head("a.pdf"), b"1")]
    async with http.post(house.url + URL, data=body(*parts), headers={**ann, **HEADERS}) as answer:
        assert answer.status == 202
    assert house.gate == [("shut", 0, 0), ("open", 1, 1)]
    refused = [(file_head("b.pdf"), b"2"), ('Content-Disposition: form-data; name="path"', b"refused")]
    async with http.post(house.url + URL, data=body(*refused), headers={**ann, **HEADERS}) as answer:
        assert answer.status == 409
    assert house.gate[2:] == [("shut", 1, 1), ("open", 2, 2)]  # both blobs are still there, and go afterwards
    assert len(house.blobs.kept) == 1
