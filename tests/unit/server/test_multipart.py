from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.errors import AntiphonError, TooLarge, Unsupported
from antiphon.server.errors import MalformedRequest
from antiphon.server.multipart import MAX_PARTS, MultipartReader, disposition_parameters

TYPE = "multipart/form-data; boundary=XX"


async def stream(body: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    at = 0
    for cut in [*sorted({cut % (len(body) + 1) for cut in cuts}), len(body)]:
        yield body[at:cut]
        at = cut


def encode(parts: list[tuple[str, bytes]]) -> bytes:
    whole = b"".join(
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\n\r\n' + content + b"\r\n"
        for name, content in parts
    )
    return whole + b"--XX--\r\n"


async def read(body: bytes, cuts: list[int], *, content_type: str = TYPE) -> list[tuple[str | None, bytes]]:
    reader = MultipartReader(content_type, stream(body, cuts))
    return [(part.filename, b"".join([piece async for piece in part.content()])) async for part in reader.parts()]


CONTENTS = st.lists(
    st.binary(max_size=60) | st.sampled_from([b"\r\n--X", b"\r\n--XX", b"\r", b"--XX--"]).filter(lambda b: b"--XX" not in b)
)


@given(CONTENTS, st.lists(st.integers(min_value=0, max_value=2000), max_size=8))
async def test_parts_come_out_as_they_went_in_however_the_network_cuts_them(contents, cuts):
    contents = [content for content in contents if b"--XX" not in content]
    parts = [(f"f{n}", content) for n, content in enumerate(contents)]
    assert await read(encode(parts), cuts) == parts


@given(st.binary(max_size=200), st.lists(st.integers(min_value=0, max_value=200), max_size=4))
async def test_any_bytes_end_in_parts_or_in_an_error_of_ours(body, cuts):
    try:
        parts = await read(body, cuts)
    except AntiphonError:
        return
    assert sum(len(content) for _, content in parts) <= len(body)


@pytest.mark.parametrize("cut", range(1, len(encode([("a", b"content")])) - 4))
async def test_a_body_that_ends_too_early_is_never_taken_for_whole(cut):
    with pytest.raises(MalformedRequest):
        await read(encode([("a", b"content")])[:cut], [])


async def test_parts_that_are_not_read_are_skipped():
    reader = MultipartReader(TYPE, stream(encode([("a", b"1" * 50), ("b", b"2")]), [30, 80, 100]))
    assert [part.filename async for part in reader.parts()] == ["a", "b"]


async def test_the_number_of_parts_and_the_size_of_fields_are_bounded():
    with pytest.raises(TooLarge):
        await read(encode([("a", b"")] * (MAX_PARTS + 1)), [])
    field = b'--XX\r\nContent-Disposition: form-data; name="tags"\r\n\r\n' + b"x" * 70_000 + b"\r\n--XX--\r\n"
    reader = MultipartReader(TYPE, stream(field, []))
    with pytest.raises(TooLarge):
        [await part.text() async for part in reader.parts()]


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="])
def test_other_content_types_are_refused(content_type):
    with pytest.raises(Unsupported):
        MultipartReader(content_type, stream(b"", []))


async def test_a_quoted_boundary_is_the_same_boundary():
    assert await read(encode([("a", b"1")]), [], content_type='multipart/form-data; charset=utf-8; boundary="XX"') == [
        ("a", b"1")
    ]


@pytest.mark.parametrize(("header", "filename"), [
    (b'form-data; name="file"; filename="a.pdf"', "a.pdf"), (b"form-data; name=file; filename=a.pdf", "a.pdf"),
    (b'form-data; name="file"; filename="a;b=c.pdf"', "a;b=c.pdf"), (b'form-data; name="file"; filename="a\\"b.pdf"', 'a"b.pdf'),
    ('form-data; name="file"; filename="手册.pdf"'.encode(), "手册.pdf"),
    ('form-data; name="file"; filename="手册.pdf"'.encode("gb18030"), "手册.pdf"),
    (b"form-data; name=\"file\"; filename=\"x\"; filename*=UTF-8''%E6%89%8B%E5%86%8C.pdf", "手册.pdf"),
    (b"form-data; name=\"file\"; filename*=nope''%E6; filename=\"x\"", "x"), (b'form-data; name="file"', None), (b"", None),
    (b'form-data; name="file"; filename="%E6%89%8B%20a.pdf"', "手 a.pdf"), (b'form-data; filename="100% sure.pdf"', "100% sure.pdf"),
    (b'form-data; filename="x"; filename="y"', "x"),
])  # fmt: skip
def test_names_in_every_way_programs_write_them(header, filename):
    assert disposition_parameters(header).get("filename") == filename
