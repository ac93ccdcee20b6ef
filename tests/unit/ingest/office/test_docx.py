from __future__ import annotations

from pathlib import Path

import docx
import pytest

from antiphon.core.errors import BadRequest, TooLarge, Unsupported
from antiphon.ingest import composition
from antiphon.ingest.composition import Composition
from antiphon.ingest.office.docx import open_docx
from antiphon.ingest.office.office_document import OfficeDocument
from antiphon.testing.office_files import paragraph, relationships, table, word_parts, write_parts

STYLES = (
    '<w:style w:type="paragraph" w:default="1" w:styleId="n"><w:name w:val="Normal"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="x"><w:name w:val="Company head"/><w:basedOn w:val="1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="a"><w:name w:val="Own"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="t"><w:name w:val="Title"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="loop"><w:name w:val="Loop"/><w:basedOn w:val="loop"/></w:style>'
)


def read(tmp_path: Path, body: str, **others: str) -> tuple[str, OfficeDocument]:
    document = open_docx(write_parts(tmp_path / "a.docx", word_parts(body, **others)), None)
    (page,) = document.pages()
    return page.text, document


def style(key: str) -> str:
    return f'<w:pStyle w:val="{key}"/>'


def test_headings_come_from_styles_their_bases_and_outline_levels(tmp_path: Path) -> None:
    body = (
        paragraph("The Handbook", style("t")) + paragraph("Leave", style("x")) + paragraph("Body.", style("loop"))
        + paragraph("Sick leave", style("a")) + paragraph("x" * 400, style("1")) + paragraph("Bare", '<w:outlineLvl w:val="2"/>')
    )  # fmt: skip
    text, document = read(tmp_path, body, styles=STYLES)
    assert [(heading.title, heading.level, text[heading.start :].split("\n")[0]) for heading in document.outline()] == [
        ("The Handbook", 1, "The Handbook"), ("Leave", 1, "Leave"), ("Sick leave", 2, "Sick leave"), ("Bare", 3, "Bare"),
    ]  # fmt: skip
    assert document.title == "The Handbook"
    assert [mark.anchor for mark in document.anchors()][-2:] == [
        "heading:Leave > Sick leave",
        "heading:Leave > Sick leave > Bare",
    ]
    assert document.paged is False


def test_tracked_changes_are_read_as_accepted_and_comments_left_out(tmp_path: Path) -> None:
    body = (
        "<w:p><w:r><w:t>Pay </w:t></w:r><w:del><w:r><w:delText>90</w:delText><w:t>91</w:t></w:r></w:del>"
        "<w:ins><w:r><w:t>30 days</w:t></w:r></w:ins><w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom>"
        '<w:r><w:commentReference w:id="1"/></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>'
        "<w:r><w:instrText>PAGE</w:instrText></w:r><w:hyperlink><w:r><w:t> net.</w:t></w:r></w:hyperlink></w:p>"
        "<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p><w:r><w:t>old row</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    assert read(tmp_path, body)[0] == "Pay 30 days net."


def test_text_boxes_follow_their_paragraph_once(tmp_path: Path) -> None:
    box = "<w:txbxContent>" + paragraph("Boxed.") + "</w:txbxContent>"
    body = (
        "<w:p><w:r><w:t>Before.</w:t></w:r><w:r><mc:AlternateContent>"
        f"<mc:Choice><wps:txbx>{box}</wps:txbx></mc:Choice><mc:Fallback><v:textbox>{box}</v:textbox></mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p>" + paragraph("After.")
    )
    assert read(tmp_path, body)[0] == "Before.\n\nBoxed.\n\nAfter."


def test_notes_follow_the_paragraph_that_refers_to_them(tmp_path: Path) -> None:
    body = '<w:p><w:r><w:t>Claim.</w:t><w:footnoteReference w:id="2"/></w:r></w:p>' + paragraph("Next.")
    notes = f'<w:footnote w:id="0" w:type="separator">{paragraph("---")}</w:footnote><w:footnote w:id="2">{paragraph("Source.")}</w:footnote>'
    assert read(tmp_path, body, footnotes=notes)[0] == "Claim.\n\n(Footnote: Source.)\n\nNext."


def test_a_note_referred_to_twice_stands_once(tmp_path: Path) -> None:
    body = '<w:p><w:r><w:t>One.</w:t><w:endnoteReference w:id="2"/></w:r></w:p>' * 2
    text, _ = read(tmp_path, body, endnotes=f'<w:endnote w:id="2">{paragraph("Said.")}</w:endnote>')
    assert text == "One.\n\n(Endnote: Said.)\n\nOne."


def test_tables_keep_their_header_with_each_row(tmp_path: Path) -> None:
    text, _ = read(tmp_path, paragraph("T") + table(["Grade", "Days", "Note"], ["A", "28", ""], ["B", "25", "part time"]))
    assert text == "T\n\n| Grade | Days | Note\n| Grade: A | Days: 28\n| Grade: B | Days: 25 | Note: part time"


def test_merged_cells_count_for_every_row_and_once_in_each(tmp_path: Path) -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(text)}</w:tc>"

    wide = '<w:gridSpan w:val="2"/>'
    start, goes_on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    body = (
        f"<w:tbl><w:tr>{cell('Area')}{cell('Half', wide)}{cell('Sum')}</w:tr>"
        f"<w:tr>{cell('North', start)}{cell('1')}{cell('1')}{cell('2')}</w:tr>"
        f"<w:tr>{cell('', goes_on)}{cell('3')}{cell('4')}{cell('7')}</w:tr></w:tbl>"
    )
    assert read(tmp_path, body)[0].split("\n") == [
        "| Area | Half | Sum",
        "| Area: North | Half: 1 | Half: 1 | Sum: 2",
        "| Area: North | Half: 3 | Half: 4 | Sum: 7",
    ]


def test_a_table_of_one_column_lays_out_and_one_inside_a_cell_stays_in_its_row(tmp_path: Path) -> None:
    inner = table(["x", "y"])
    layout = f"<w:tbl><w:tr><w:tc>{paragraph('Only text.')}{table(['a', 'b'], ['c', 'd'])}</w:tc></w:tr></w:tbl>"
    nested = f"<w:tbl><w:tr><w:tc>{paragraph('Left')}{inner}</w:tc><w:tc>{paragraph('Right')}</w:tc></w:tr></w:tbl>"
    assert read(tmp_path, layout + nested)[0] == "Only text.\n\n| a | b\n| c | d\n\n| Left x | y | Right"


def test_lists_keep_their_numbers(tmp_path: Path) -> None:
    numbering = (
        '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl></w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    )
    item = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
    body = paragraph("Steps:") + paragraph("Cut", item) + paragraph("Glue", item) + paragraph("Done.") + paragraph("Wait", item)
    assert read(tmp_path, body, numbering=numbering)[0] == "Steps:\n\n1. Cut\n2. Glue\n\nDone.\n\n3. Wait"


def test_formulas_symbols_and_content_controls_are_read(tmp_path: Path) -> None:
    body = (
        "<w:sdt><w:sdtPr><w:t>no</w:t></w:sdtPr><w:sdtContent>" + paragraph("Chosen") + "</w:sdtContent></w:sdt>"
        '<w:p><w:r><w:sym w:char="F0FE"/><w:t xml:space="preserve"> yes</w:t><w:tab/><w:t>co\u00adop</w:t><w:noBreakHyphen/><w:t>ed</w:t></w:r>'
        "<m:oMath><m:r><m:t>x=1</m:t></m:r></m:oMath></w:p>"
    )
    assert read(tmp_path, body)[0] == "Chosen\n\n☒ yes coop-ed x=1"


def test_broken_relationships_and_missing_parts_are_survived(tmp_path: Path) -> None:
    parts = word_parts(paragraph("Still here."))
    parts["word/_rels/document.xml.rels"] = relationships({"s": ("styles", "nowhere.xml"), "x": ("image", "../../../etc/passwd")})
    document = open_docx(write_parts(tmp_path / "a", parts), None)
    assert [page.text for page in document.pages()] == ["Still here."]
    del parts["_rels/.rels"]
    parts["word/_rels/document.xml.rels"] = "not XML"
    assert [page.text for page in open_docx(write_parts(tmp_path / "b", parts), None).pages()] == ["Still here."]
    del parts["word/document.xml"]
    with pytest.raises(BadRequest, match="no document inside"):
        open_docx(write_parts(tmp_path / "c", parts), None)


def test_the_strict_dialect_is_read(tmp_path: Path) -> None:
    parts = {
        name: content.replace("http://schemas.openxmlformats.org/wordprocessingml/2006/main", "http://purl.oclc.org/ooxml/wordprocessingml/main")
        if isinstance(content, str) else content for name, content in word_parts(paragraph("Strict."), styles=STYLES).items()
    }  # fmt: skip
    assert [page.text for page in open_docx(write_parts(tmp_path / "a", parts), None).pages()] == ["Strict."]


def test_deep_nesting_ends(tmp_path: Path) -> None:
    body = "<w:sdt><w:sdtContent>" * 20_000 + paragraph("deep") + "</w:sdtContent></w:sdt>" * 20_000
    text, _ = read(tmp_path, paragraph("Top.") + body)
    assert text == "Top."


def test_too_much_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "MOST_CHARACTERS", 10)
    view = Composition()
    view.block("12345")
    with pytest.raises(TooLarge):
        view.line("67890")


def test_places_are_anchors_not_rectangles(tmp_path: Path) -> None:
    _, document = read(tmp_path, paragraph("x"))
    with pytest.raises(Unsupported):
        document.rectangles(1, 0, 1)
    with pytest.raises(Unsupported):
        document.page_image(1, 100)


def test_a_file_written_by_another_library_is_read(tmp_path: Path) -> None:
    written = docx.Document()
    written.core_properties.title = "Leave rules"
    written.add_heading("Leave", 1)
    written.add_paragraph("Twenty-eight days.")
    written.add_paragraph("first", style="List Number")
    written.add_paragraph("second", style="List Number")
    rows = written.add_table(rows=2, cols=2)
    for index, text in enumerate(("Year", "Days", "2024", "28")):
        rows.cell(index // 2, index % 2).text = text
    written.save(str(tmp_path / "a.docx"))
    document = open_docx(tmp_path / "a.docx", None)
    (page,) = document.pages()
    assert page.text == "Leave\n\nTwenty-eight days.\n\n1. first\n2. second\n\n| Year | Days\n| Year: 2024 | Days: 28"
    assert document.title == "Leave rules"
