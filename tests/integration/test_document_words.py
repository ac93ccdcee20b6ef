"""The words of real documents, compared with what another reader finds: at least 95 % of them (issue: "Words").

Needs ../shared/data/docs. Documents of pictures are left out (seconds a page, and no other reader): docs/formats.md has them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import system_runtime
from antiphon.ingest.worker import ParserPool
from antiphon.testing.reference_words import found_share, reference_words, words_of

DOCS = Path(__file__).resolve().parents[3] / "shared" / "data" / "docs"
FEWEST_WORDS = 5
BELOW = {
    "html/markitdown-test_blog.html": "the menus around the article are left out",
    "pptx/unstructured-fake-power-point-malformed.pptx": "the place-holder of its date is left out",
    "pdf_other/pdfjs-ThuluthFeatures.pdf": "its font has no Unicode: both readers give signs without sense",
}
"""Documents with less, and why."""


def rows() -> list[dict[str, str]]:
    if not DOCS.exists():
        pytest.skip(f"no documents at {DOCS}")
    lines = (DOCS / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if not row["file"].startswith("pdf_scan/")]


def password_of(row: dict[str, str]) -> str | None:
    said = re.search(r'password "([^"]+)"', row["trait"])
    return row.get("password") or (said[1] if said else None)


async def test_documents_have_the_words_that_another_reader_finds(tmp_path: Path) -> None:
    pool = ParserPool(Settings(data_dir=tmp_path), system_runtime())
    pool.start()
    shares: dict[str, float] = {}
    try:
        for row in rows():
            path = DOCS / row["file"]
            reference = reference_words(path, row["kind"], password_of(row))
            if reference is None or reference.total() < FEWEST_WORDS:
                continue
            try:
                parsed = await pool.parse(path, path.name, password=password_of(row))
            except AntiphonError:
                continue  # test_formats_page.py knows which may fail
            shares[row["file"]] = found_share(reference, "\n".join(page.text for page in parsed.pages))
    finally:
        await pool.close()
    low = {name: round(share, 3) for name, share in shares.items() if share < 0.95}
    print(f"\n{len(shares)} documents with a reference, {len(low)} below .95: {low}")
    assert len(shares) > 90
    assert set(low) <= set(BELOW), low
    assert sorted(shares.values())[len(shares) // 2] > 0.99


def test_words_are_told_apart() -> None:
    assert words_of("Exam-\nple ﬁne 年假 7") == words_of("example fine 年 假 7")
    assert found_share(words_of("one two two"), "two one") == 2 / 3
