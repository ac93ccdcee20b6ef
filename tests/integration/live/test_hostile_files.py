"""Section C of security.md against a real server: each test is named after its row; what is uploaded is what an attacker has.

Further tests of single rows lie where their code is: `pytest -k "c1_ or c2_"` and so on finds them all.
"""

from __future__ import annotations

import http.server
import json
import struct
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from antiphon.testing import bombs
from antiphon.testing.office_files import RawZip, word_parts, write_parts
from antiphon.testing.server_process import OWNER_KEY, ServerProcess

MIB = 2**20


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("hostile") / "data", limits_messages_per_minute=0)
    yield process
    assert process.terminate() == 0, process.output
    assert "Traceback" not in process.output, process.output


@pytest.fixture(scope="module")
def workspace(house: ServerProcess) -> str:
    workspace_id = house.call("POST", "/workspaces", {"name": "Hostile"})["id"]
    assert house.upload(workspace_id, "warm.txt", b"The nursery is loaded.")["state"] == "ready"
    return workspace_id


def raw(
    house: ServerProcess, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(
        f"{house.url}/api/v1{path}", body, {"Authorization": f"Bearer {OWNER_KEY}", **headers}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def text_of(house: ServerProcess, document: dict[str, Any]) -> str:
    return json.loads(raw(house, "GET", f"/documents/{document['id']}/pages/1/text")[2])["text"]


def files_outside(house: ServerProcess) -> set[str]:
    """What lies beside the data folder."""
    return {str(path.relative_to(house.data_dir.parent)) for path in house.data_dir.parent.iterdir()}


def still_works(house: ServerProcess, workspace: str, about: str) -> None:
    assert house.upload(workspace, f"after {abs(hash(about))}.txt", f"After {about}.".encode())["state"] == "ready"


@pytest.mark.parametrize(
    "name",
    [b"../../../../etc/passwd.txt", b"..\\..\\x.txt", b"a\x00b.txt", b"n" * 5_000 + b".txt", "cod\u202etxt.exe".encode(),
     b"<img src=x onerror=alert(1)>.txt", b"a%0d%0aSet-Cookie: x=1.txt", b"CON.txt", b"/abs/olute.txt"],
)  # fmt: skip
def test_c1_names_are_told_and_never_paths(house: ServerProcess, workspace: str, name: bytes) -> None:
    before = files_outside(house)
    head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    body = head + b"text " + str(abs(hash(name))).encode() + b"\r\n--B--\r\n"
    status, _, answer = raw(
        house, "POST", f"/workspaces/{workspace}/documents", body, **{"Content-Type": "multipart/form-data; boundary=B"}
    )
    assert status in {202, 400, 422}, answer
    if status == 202:
        document = json.loads(answer)["documents"][0]
        kept = document["name"]
        assert "/" not in kept
        assert "\\" not in kept
        assert kept.isprintable()
        assert 0 < len(kept) <= 255
        _, headers, _ = raw(house, "GET", f"/documents/{document['id']}/original")
        assert headers["content-disposition"].startswith("attachment;")
        assert "set-cookie" not in headers
        assert "<" not in headers["content-disposition"].partition("filename*")[0]
    assert files_outside(house) == before


def slip(path: Path) -> None:
    zipped = RawZip()
    zipped.add_text("[Content_Types].xml", "<Types/>")
    zipped.add_text("word/document.xml", "<x/>")
    zipped.add_text("../../../antiphon-slipped.txt", "x")
    zipped.write(path)


def link(path: Path) -> None:
    zipped = RawZip()
    zipped.add_text("[Content_Types].xml", "<Types/>")
    zipped.add_text("word/document.xml", "<x/>")
    zipped.add("word/link", zlib.compress(b"/etc/passwd")[2:-4], size=11, checksum=zlib.crc32(b"/etc/passwd"), mode=0xA1FF)
    zipped.write(path)


@pytest.mark.parametrize("make", [slip, link, bombs.zip_in_zip])
def test_c2_slips_links_and_nested_archives_are_refused(
    house: ServerProcess, workspace: str, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    before = files_outside(house)
    make(tmp_path / "a")
    document = house.upload(workspace, f"{make.__name__}.docx", (tmp_path / "a").read_bytes())
    assert document["state"] == "failed"
    assert document["error"]["data"]["reason"] in {"unsafe_archive", "nested_archive"}
    assert files_outside(house) == before
    assert not list(Path("/tmp").glob("antiphon-slipped*"))


class Watch:
    """The most memory that the server's own process had meanwhile, and how long it took."""

    def __init__(self, house: ServerProcess) -> None:
        self._process = psutil.Process(house.process.pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self.before = self.peak = self._process.memory_info().rss
        self._began = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.took_s = time.perf_counter() - self._began
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            self.peak = max(self.peak, self._process.memory_info().rss)

    @property
    def grown_mib(self) -> float:
        return (self.peak - self.before) / MIB


@pytest.mark.parametrize(
    "make",
    [bombs.long_document, bombs.overlapping_document, bombs.lying_workbook, bombs.zip_in_zip, bombs.archive_in_document,
     bombs.pdf_with_stream_bomb, bombs.pdf_with_object_stream_bomb, bombs.pdf_with_vast_picture, bombs.vast_png],
)  # fmt: skip
def test_c3_bombs_are_refused_within_five_seconds_and_64_mib(
    house: ServerProcess, workspace: str, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "bomb")
    content = (tmp_path / "bomb").read_bytes()
    with Watch(house) as watch:
        document = house.upload(workspace, f"bomb {make.__name__}", content)
    print(f"\n{make.__name__}: {len(content) / 1000:.0f} kB, {watch.took_s:.2f} s, server +{watch.grown_mib:.1f} MiB")
    assert document["state"] == "failed"
    assert document["error"]["message"].endswith((".", ":")) or document["error"]["message"]
    assert watch.took_s < 5
    assert watch.grown_mib <= 64
    still_works(house, workspace, make.__name__)


def test_c4_nothing_outside_is_read_or_fetched(house: ServerProcess, workspace: str, tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

    listener = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{listener.server_port}"
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    parts = word_parts('<w:p><w:r><w:drawing><a:blip r:link="pic"/></w:drawing><w:t>Text</w:t></w:r></w:p><w:altChunk r:id="c"/>')
    parts["word/_rels/document.xml.rels"] = (
        f'<Relationships><Relationship Id="pic" Type="x/image" TargetMode="External" Target="{at}/p.png"/>'
        f'<Relationship Id="c" Type="x/aFChunk" TargetMode="External" Target="file://{secret}"/></Relationships>'
    )
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    files = {
        "remote.docx": write_parts(tmp_path / "a", parts).read_bytes(),
        "entity.xml": f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]><a>&x;</a>'.encode(),
        "fetch.xml": f'<!DOCTYPE a SYSTEM "{at}/x.dtd" [<!ENTITY % p SYSTEM "{at}/p"> %p;]><a>t</a>'.encode(),
        "laughs.xml": f'<!DOCTYPE a [<!ENTITY l0 "lol">{entities}]><a>&l9;</a>'.encode(),
        "page.html": f'<link rel=stylesheet href="{at}/s.css"><img src="{at}/i.png"><iframe src="file://{secret}"></iframe>hi'.encode(),
        "picture.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{at}/i.png"/><text>drawn</text></svg>'.encode(),
    }
    try:
        for name, content in files.items():
            document = house.upload(workspace, name, content)
            shown = text_of(house, document) if document["state"] == "ready" else document["error"]["message"]
            assert "TOP SECRET" not in shown
            assert len(shown) < 1_000
    finally:
        listener.shutdown()
        listener.server_close()
    assert asked == []


def loop_in_tree(path: Path) -> None:
    bombs.pdf_that_loops(path)


def endless_form(path: Path) -> None:
    """A form that draws itself ten times, each of which does."""
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>"
    path.write_bytes(bombs.pdf_of({4: (b"", b"/X Do"), 5: (form, b"/X Do " * 10)}))


def deep_arrays(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\n1 0 obj" + b"[" * 2_000_000 + b"endobj\ntrailer<</Root 1 0 R>>")


@pytest.mark.parametrize("make", [loop_in_tree, endless_form, deep_arrays, bombs.vast_png, bombs.pdf_with_vast_picture])
def test_c5_loops_and_huge_pictures_cost_their_document_only(
    house: ServerProcess, workspace: str, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "x")
    with Watch(house) as watch:
        document = house.upload(workspace, f"c5 {make.__name__}.pdf", (tmp_path / "x").read_bytes() + b" ")
    assert document["state"] in {"failed", "ready"}
    assert document["state"] == "ready" or document["error"]["message"]
    assert watch.grown_mib <= 64
    still_works(house, workspace, f"c5 {make.__name__}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("line.txt", b"x" * (70 * MIB)),
        ("line.csv", b"x," * (8 * MIB)),
        ("surrogates.json", json.dumps({"a": "\ud800\udfff \ud83d"}).encode()),
        ("surrogates.txt", b"\xff\xfe" + struct.pack("<4H", 0xD800, 0x41, 0xDC00, 0xD83D)),
        ("deep.json", b"[" * 50_000 + b"]" * 50_000),
        ("deep.xml", b"<a>" * 50_000 + b"</a>" * 50_000),
        ("deep.html", b"<div>" * 50_000 + b"core" + b"</div>" * 50_000),
        ("deep.md", b"> " * 50_000 + b"quoted"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_c6_long_lines_surrogates_and_depth_are_bounded(house: ServerProcess, workspace: str, name: str, content: bytes) -> None:
    with Watch(house) as watch:
        document = house.upload(workspace, name, content)
    assert document["state"] in {"ready", "failed"}
    assert document["state"] == "ready" or document["error"]["code"] in {"too_large", "bad_request", "unsupported"}
    assert watch.took_s < 20
    assert watch.grown_mib <= 64
    if document["state"] == "ready":
        text_of(house, document).encode()  # raises for lone surrogates


@pytest.mark.parametrize(
    "piece",
    [
        "a" * 30 + "!",
        ".",
        "。",
        " ",
        "\n",
        "(",
        "1.",
        "#",
        "| ",
        "- ",
        "第一章 ",
        "a-\n",
        "\t",
        "<",
        "&",
        "A. ",
        "\u3000",
        "=",
        "*_",
    ],
)
def test_c7_no_text_makes_the_splitters_slow(house: ServerProcess, workspace: str, piece: str) -> None:
    content = (piece * (300_000 // len(piece))).encode() + b"end"
    for name in ("splitter.txt", "splitter.md"):
        with Watch(house) as watch:
            document = house.upload(workspace, f"{ord(piece[0])}{len(piece)} {name}", content)
        assert document["state"] in {"ready", "failed"}, document
        assert watch.took_s < 15
        assert watch.grown_mib <= 64


def test_c8_content_decides_and_originals_are_attachments(house: ServerProcess, workspace: str) -> None:
    program = house.upload(workspace, "notes.txt", b"MZ\x90\x00" + b"\x00" * 200)
    assert (program["state"], program["error"]["code"]) == ("failed", "unsupported")
    assert "program" in program["error"]["message"]
    page = house.upload(
        workspace, "report.pdf", b"<!doctype html><html><body><h1>Not a PDF</h1><script>alert(1)</script></body></html>"
    )
    assert (page["state"], page["media_type"]) == ("ready", "text/html")
    for document in (program, page):
        status, headers, _ = raw(house, "GET", f"/documents/{document['id']}/original")
        assert status == 200
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-disposition"].startswith("attachment")


def test_c9_previews_run_nothing_in_our_origin(house: ServerProcess, workspace: str) -> None:
    script = "<script>document.title='owned'</script>"
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">{script}<text>drawn</text></svg>'
    for name, content in (("x.svg", drawing), ("x.html", f"<html><body onload=alert(1)>{script}<p>words</p></body></html>")):
        document = house.upload(workspace, name, content.encode())
        assert document["state"] == "ready"
        text = text_of(house, document)
        assert "owned" not in text
        assert "alert" not in text
        for path in ("original", "pages/1/text", "pages/1/image", "outline"):
            status, headers, _ = raw(house, "GET", f"/documents/{document['id']}/{path}")
            kind = headers["content-type"].partition(";")[0]
            assert headers["x-content-type-options"] == "nosniff"
            assert kind in {"application/json", "image/png"} or (
                status == 200
                and headers["content-disposition"].startswith("attachment")
                and headers["content-security-policy"].startswith("sandbox")
            )


def test_c10_ranges_and_multipart_are_refused_with_their_codes(house: ServerProcess, workspace: str) -> None:
    document = house.upload(workspace, "ranges.txt", b"0123456789")
    path = f"/documents/{document['id']}/original"
    assert raw(house, "GET", path, Range="bytes=2-4")[2] == b"234"
    for asked in ("bytes=10-", "bytes=9-3", "bytes=" + "0-1," * 2_000, "bytes=-0", "bytes=99999999999999999999-"):
        assert raw(house, "GET", path, Range=asked)[0] == 416
    to = f"/workspaces/{workspace}/documents"
    many = b"".join(b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n' for _ in range(3_000))
    for body, kind in (
        (b"--B\r\n" + b"X: y\r\n" * 5_000, "multipart/form-data; boundary=B"),
        (many + b"--B--\r\n", "multipart/form-data; boundary=B"),
        (b"--B--\r\n", "multipart/form-data; boundary=B"),
        (b"x", "multipart/form-data; boundary=" + "b" * 500),
        (b"{}", "application/json"),
    ):
        status, _, answer = raw(house, "POST", to, body, **{"Content-Type": kind})
        assert status in {400, 413, 415, 422}, answer
    still_works(house, workspace, "c10")


def test_c11_parallel_changes_of_a_document_have_one_winner(house: ServerProcess, workspace: str) -> None:
    def change(turn: int, document_id: str, number: int) -> int:
        if number == 4:
            return raw(house, "POST", f"/documents/{document_id}/retry", b"{}", **{"Content-Type": "application/json"})[0]
        if number == 5 and turn % 2:
            return raw(house, "DELETE", f"/documents/{document_id}")[0]
        body = f'--B\r\nContent-Disposition: form-data; name="file"; filename="c11 {turn}.txt"\r\n\r\nTurn {turn} version {number}.\r\n--B--\r\n'
        return raw(
            house,
            "PUT",
            f"/documents/{document_id}/content",
            body.encode(),
            **{"Content-Type": "multipart/form-data; boundary=B"},
        )[0]

    for turn in range(8):
        document = house.upload(workspace, f"c11 {turn}.txt", f"Turn {turn} begins.".encode())
        with ThreadPoolExecutor(6) as pool:
            codes = list(pool.map(lambda number, t=turn, d=document: change(t, d["id"], number), range(6)))
        assert all(code in {200, 202, 204, 404, 409, 410} for code in codes), codes
        until = time.monotonic() + 20
        while time.monotonic() < until:
            status, _, answer = raw(house, "GET", f"/documents/{document['id']}")
            if status == 404 or json.loads(answer)["state"] in {"ready", "failed"}:
                break
            time.sleep(0.05)
        if status == 200:
            found = json.loads(answer)
            assert found["state"] == "ready", found
            assert text_of(house, found).startswith(f"Turn {turn} ")
        else:
            assert turn % 2
