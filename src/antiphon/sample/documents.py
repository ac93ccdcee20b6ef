"""Lists the bundled sample documents. The PDFs are made by scripts/make_sample_documents.py. Tests: tests/unit/ingest/test_sample.py."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

SAMPLE_NAMES: Final = (
    "lindenbrook-handbook.pdf",
    "霁川员工手册.pdf",
    "flow-meter-fm200.md",
    "release-notes.md",
    "恒温箱使用说明.md",
    "售后服务常见问题.md",
)


def sample_documents() -> list[Path]:
    """The files, in the order in which they are added. Antiphon is always installed as files, never run from an archive."""
    folder = Path(str(files("antiphon.sample"))) / "files"
    return [folder / name for name in SAMPLE_NAMES]
