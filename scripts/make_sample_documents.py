"""Makes the two handbook PDFs of the sample workspace from scripts/sample_handbooks/*.md.

    python scripts/make_sample_documents.py

The PDFs are committed; run this after a change of the texts. Deterministic: the same texts give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer

SOURCES = Path(__file__).parent / "sample_handbooks"
TARGET = Path(__file__).parent.parent / "src" / "antiphon" / "sample" / "files"
CHINESE_FONT = "STSong-Light"


class Handbook(SimpleDocTemplate):
    """Adds a bookmark for every heading."""

    def afterFlowable(self, flowable: Any) -> None:  # noqa: N802 - reportlab's name
        level = getattr(flowable, "outline_level", None)
        if level is None:
            return
        key = f"h{self.seq.nextf('heading')}"
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(flowable.getPlainText(), key, level=level)


def styles(font: str, bold: str, *, cjk: bool) -> dict[str, ParagraphStyle]:
    wrap = "CJK" if cjk else None
    shared = {"wordWrap": wrap, "textColor": "#1f2328"}
    return {
        "title": ParagraphStyle(
            "title", fontName=bold, fontSize=28, leading=36, spaceBefore=60 * mm, spaceAfter=8 * mm, **shared
        ),
        "chapter": ParagraphStyle("chapter", fontName=bold, fontSize=19, leading=26, spaceAfter=5 * mm, **shared),
        "section": ParagraphStyle(
            "section", fontName=bold, fontSize=13.5, leading=19, spaceBefore=4 * mm, spaceAfter=2 * mm, **shared
        ),
        "text": ParagraphStyle("text", fontName=font, fontSize=11, leading=17, spaceAfter=2.5 * mm, **shared),
    }


def flowables(source: str, style: dict[str, ParagraphStyle]) -> list[Any]:
    made: list[Any] = []
    chapters = 0
    for line in filter(None, (line.strip() for line in source.splitlines())):
        if line.startswith("## "):
            paragraph = Paragraph(line[3:], style["section"])
            paragraph.outline_level = 1 if chapters > 1 else None
        elif line.startswith("# "):
            chapters += 1
            if chapters > 1:
                made.append(PageBreak())
            paragraph = Paragraph(line[2:], style["title" if chapters == 1 else "chapter"])
            paragraph.outline_level = 0
        else:
            paragraph = Paragraph(line, style["text"])
        made.append(paragraph)
    return [*made, Spacer(1, 1)]


def make(source: Path, target: Path, *, title: str, cjk: bool) -> None:
    font, bold = (CHINESE_FONT, CHINESE_FONT) if cjk else ("Helvetica", "Helvetica-Bold")

    def footer(canvas: Any, document: Any) -> None:
        canvas.setFont(font, 8.5)
        canvas.setFillColor("#57606a")
        canvas.drawString(22 * mm, 12 * mm, title)
        canvas.drawRightString(A4[0] - 22 * mm, 12 * mm, str(document.page))

    document = Handbook(
        str(target), pagesize=A4, leftMargin=22 * mm, rightMargin=22 * mm, topMargin=22 * mm, bottomMargin=22 * mm,
        title=title, author="Antiphon", invariant=1,
    )  # fmt: skip
    document.build(
        flowables(source.read_text(encoding="utf-8"), styles(font, bold, cjk=cjk)), onFirstPage=footer, onLaterPages=footer
    )


def main() -> None:
    pdfmetrics.registerFont(UnicodeCIDFont(CHINESE_FONT))
    TARGET.mkdir(parents=True, exist_ok=True)
    make(SOURCES / "handbook.en.md", TARGET / "lindenbrook-handbook.pdf", title="Lindenbrook Employee Handbook", cjk=False)
    make(SOURCES / "handbook.zh.md", TARGET / "霁川员工手册.pdf", title="霁川员工手册", cjk=True)


if __name__ == "__main__":
    main()
