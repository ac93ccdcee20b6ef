from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.office.odf import open_odf
from antiphon.ingest.office.office_document import OfficeDocument
from antiphon.testing.office_files import write_parts

SPACES = (
    'xmlns:office="o" xmlns:text="t" xmlns:table="tb" xmlns:draw="d" xmlns:style="s" xmlns:presentation="p" xmlns:fo="f" '
    'xmlns:dc="dc" xmlns:svg="svg"'
)


def opened(tmp_path: Path, kind: str, content: str, styles: str = "", **parts: str) -> OfficeDocument:
    path = write_parts(
        tmp_path / "a.odt",
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {SPACES}><office:automatic-styles>{styles}</office:automatic-styles>"
            f"<office:body><office:{kind}>{content}</office:{kind}></office:body></office:document-content>",
            **parts,
        },
    )
    return open_odf(path, None)


def text_of(document: OfficeDocument) -> str:
    return "\n=====\n".join(page.text for page in document.pages())


def test_a_text_is_read_in_order(tmp_path: Path) -> None:
    content = (
        '<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes><text:p text:style-name="P1">Handbook</text:p>'
        '<text:h text:outline-level="2">Leave</text:h><text:p>28<text:s/>days<text:note text:note-class="footnote">'
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>By law.</text:p></text:note-body></text:note> a year."
        "<office:annotation><text:p>comment</text:p></office:annotation></text:p>"
        '<text:list text:style-name="L1"><text:list-item><text:p>cut</text:p><text:list><text:list-item><text:p>well</text:p>'
        "</text:list-item></text:list></text:list-item><text:list-item><text:p>glue</text:p></text:list-item></text:list>"
        "<text:p><draw:frame><draw:text-box><text:p>Boxed.</text:p></draw:text-box></draw:frame></text:p>"
    )
    styles = (
        '<style:style style:name="P1" style:parent-style-name="Title"/><text:list-style style:name="L1">'
        '<text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>'
        '<text:list-level-style-bullet text:level="2"/></text:list-style>'
    )
    document = opened(tmp_path, "text", content, styles)
    assert text_of(document).split("\n\n") == [
        "Handbook", "Leave", "28 days a year.", "(Footnote: By law.)", "1. cut\n  - well\n2. glue", "Boxed.",
    ]  # fmt: skip
    assert document.title == "Handbook"
    assert [(heading.title, heading.level) for heading in document.outline()] == [("Handbook", 1), ("Leave", 2)]
    assert document.anchors()[-1].anchor == "heading:Handbook > Leave"


def row(*cells: str) -> str:
    return (
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in cells)
        + "</table:table-row>"
    )


def test_tables_keep_their_header(tmp_path: Path) -> None:
    content = (
        f"<table:table><table:table-header-rows>{row('Key', 'Worth')}</table:table-header-rows>{row('a', 'b')}</table:table>"
    )
    assert text_of(opened(tmp_path, "text", content)) == "| Key | Worth\n| Key: a | Worth: b"


def test_sheets_have_the_cells_as_anchors_and_repeats_are_bounded(tmp_path: Path) -> None:
    content = (
        f"<table:table table:name='Ducks'>{row('Year', 'Lake', 'Seen')}{row('2024', 'Ulm', '7')}"
        "<table:table-row table:number-rows-repeated='1000000'><table:table-cell table:number-columns-repeated='16384'/></table:table-row>"
        f"<table:table-row><table:table-cell table:number-columns-repeated='9'/><table:table-cell table:number-columns-repeated='3'>"
        "<text:p>x</text:p></table:table-cell></table:table-row></table:table><table:table table:name='S' table:style-name='h'/>"
    )
    styles = '<style:style style:name="h"><style:table-properties table:display="false"/></style:style>'
    document = opened(tmp_path, "spreadsheet", content, styles)
    assert (
        text_of(document)
        == "Ducks\n\n| Year | Lake | Seen\n| Year: 2024 | Lake: Ulm | Seen: 7\n\n| x | x | x\n=====\nS (hidden sheet)"
    )
    assert [mark.anchor for mark in document.anchors()][1:3] == ["sheet:Ducks!A1:C1", "sheet:Ducks!J1000003:L1000003"]


def test_slides_have_notes_and_no_furniture(tmp_path: Path) -> None:
    def box(text: str, kind: str) -> str:
        return f"<draw:frame presentation:class='{kind}'><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"

    content = (
        f"<draw:page>{box('body', 'outline')}{box('Top', 'title')}{box('9', 'page-number')}"
        f"<draw:g><draw:custom-shape><text:p>shape</text:p></draw:custom-shape></draw:g>"
        f"<presentation:notes>{box('said', 'notes')}</presentation:notes></draw:page><draw:page/>"
    )
    styles = '<style:page-layout><style:page-layout-properties fo:page-width="28cm" fo:page-height="7in"/></style:page-layout>'
    document = opened(tmp_path, "presentation", content, styles)
    pages = list(document.pages())
    assert [page.text for page in pages] == ["Top\n\nbody\n\nshape\n\nNotes: said", ""]
    assert (pages[0].width_pt, pages[0].height_pt) == (793.7, 504.0)
    assert [mark.anchor for mark in document.anchors()] == ["slide:1", "slide:2"]


def test_encrypted_and_empty_files_are_told(tmp_path: Path) -> None:
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    with pytest.raises(Unsupported, match="password"):
        opened(tmp_path, "text", "", **{"META-INF/manifest.xml": manifest})
    with pytest.raises(BadRequest, match="no document inside"):
        open_odf(write_parts(tmp_path / "b", {"content.xml": "<x/>"}), None)
