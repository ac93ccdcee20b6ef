from __future__ import annotations

import datetime as dt
from pathlib import Path

import openpyxl
import pytest
from openpyxl.styles import Font

from antiphon.core.errors import BadRequest
from antiphon.ingest.chunker import ChunkRules, chunks_of
from antiphon.ingest.composition import Composition
from antiphon.ingest.document import ParsedDocument
from antiphon.ingest.office import xlsx
from antiphon.ingest.office.sheet_view import GridRow, SheetView
from antiphon.ingest.office.xlsx import open_xlsx
from antiphon.testing.office_files import relationships, write_parts


def texts(path: Path) -> list[str]:
    return [page.text for page in open_xlsx(path, None).pages()]


def saved(tmp_path: Path, workbook: openpyxl.Workbook) -> Path:
    workbook.save(tmp_path / "a.xlsx")
    return tmp_path / "a.xlsx"


def sheet_parts(rows: str, *, behind: str = "", shared: str = "", dimension: str = "A1") -> dict[str, str | bytes]:
    links = {"s1": ("worksheet", "worksheets/sheet1.xml"), "ss": ("sharedStrings", "sharedStrings.xml")}
    return {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relationships({"r": ("officeDocument", "xl/workbook.xml")}),
        "xl/_rels/workbook.xml.rels": relationships(links),
        "xl/workbook.xml": '<workbook xmlns:r="r"><sheets><sheet name="One" sheetId="1" r:id="s1"/></sheets></workbook>',
        "xl/sharedStrings.xml": f"<sst>{shared}</sst>",
        "xl/worksheets/sheet1.xml": f'<worksheet><dimension ref="{dimension}"/><sheetData>{rows}</sheetData>{behind}</worksheet>',
    }


def test_rows_repeat_their_header_and_values_are_as_shown(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "销售"
    sheet.append(["日期", "产品", "数量", "占比"])
    sheet.append([dt.date(2024, 3, 1), "鸭", 1234.5, 0.125])
    sheet["A2"].number_format = 'yyyy"年"m"月"d"日"'
    sheet["C2"].number_format = "#,##0.00"
    sheet["D2"].number_format = "0.0%"
    sheet.append([dt.datetime(2024, 3, 2, 14, 30), None, True, "=1/0"])  # noqa: DTZ001
    assert texts(saved(tmp_path, book)) == [
        "销售\n\n| 日期 | 产品 | 数量 | 占比\n| 日期: 2024年3月1日 | 产品: 鸭 | 数量: 1,234.50 | 占比: 12.5%\n| 日期: 2024-03-02 14:30:00 | 数量: TRUE"
    ]


def test_hidden_sheets_are_said_and_each_sheet_is_a_page_with_its_anchor(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    first.title = "A!b"
    for row in range(100):
        first.append([f"Name of row {row}", row, row * 2] if row else ["Name", "One", "Two"])
    book.create_sheet("Empty")
    secret = book.create_sheet("Secret")
    secret.sheet_state = "hidden"
    secret["B5"] = "x"
    document = open_xlsx(saved(tmp_path, book), None)
    pages = list(document.pages())
    assert [page.number for page in pages] == [1, 2, 3]
    assert [page.text for page in pages[1:]] == ["Empty", "Secret (hidden sheet)\n\n| x"]
    assert [(heading.title, heading.page) for heading in document.outline()] == [("A!b", 1), ("Empty", 2), ("Secret", 3)]
    assert len(document.anchors()) < 8  # not one a row
    parsed = ParsedDocument(
        media_type="x", title="", paged=document.paged, pages=pages, outline=document.outline(), anchors=document.anchors()
    )
    chunks = list(chunks_of(parsed, ChunkRules(characters=700), title=""))
    for chunk in chunks:
        if chunk.page == 1:
            rows = [int(line.partition("row ")[2].split()[0]) + 1 for line in chunk.text.split("\n") if "row " in line]
            first_row = 1 if chunk.ordinal == 0 else rows[0]
            assert chunk.anchor == f"sheet:A!b!A{first_row}:C{rows[-1]}"
    assert chunks[-1].anchor == "sheet:Secret!B5:B5"


def test_merged_cells_fill_their_rows_and_name_their_columns(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Region", "Sold", "", "Sum"], ["North", 1, 2, 3], ["", 4, 5, 9], ["South", 6, 7, 13]):
        sheet.append([cell or None for cell in row])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    sheet.merge_cells("B1:C1")
    sheet.merge_cells("A2:A3")
    assert texts(saved(tmp_path, book))[0].split("\n")[2:] == [
        "| Region | Sold | Sum",
        "| Region: North | Sold: 1 | Sold: 2 | Sum: 3",
        "| Region: North | Sold: 4 | Sold: 5 | Sum: 9",
        "| Region: South | Sold: 6 | Sold: 7 | Sum: 13",
    ]


def test_cached_values_shared_texts_readings_and_cells_without_places(tmp_path: Path) -> None:
    shared = "<si><r><t>课</t></r><r><t>本</t></r><rPh sb='0' eb='1'><t>かほん</t></rPh></si>"
    rows = (
        '<row r="3"><c r="B3" t="s"><v>0</v></c><c t="s"><v>99</v></c><c r="E3"><f>SUM(A1)</f><v>42</v></c></row>'
        '<row><c t="inlineStr"><is><t>in</t></is></c><c t="str"><f>A1</f><v>text</v></c><c t="e"><v>#N/A</v></c><c><v>NaN</v></c></row>'
    )
    document = open_xlsx(write_parts(tmp_path / "a", sheet_parts(rows, shared=shared)), None)
    (page,) = document.pages()
    assert page.text == "One\n\n| 课本 | 42\n| in | text | #N/A | NaN"
    assert [mark.anchor for mark in document.anchors()] == ["sheet:One!B3:E3", "sheet:One!B3:E3", "sheet:One!A4:D4"]


def test_a_claimed_extent_and_empty_rows_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    styled = "".join(f'<row r="{row}" s="1"><c r="A{row}" s="1"/></row>' for row in range(1, 5000))
    rows = styled + '<row r="1048576"><c r="XFD1048576"><v>7</v></c><c r="A1048576"><v>8</v></c></row>'
    parts = sheet_parts(rows, dimension="A1:XFD1048576", behind='<mergeCells><mergeCell ref="A2:XFD1048576"/></mergeCells>')
    assert texts(write_parts(tmp_path / "a", parts)) == ["One\n\n| 8"]  # XFD lies beyond the columns that are read
    monkeypatch.setattr(xlsx, "MOST_COLUMNS", 20_000)
    assert texts(write_parts(tmp_path / "a", parts)) == ["One\n\n| 8 | 7"]


def test_too_long_a_sheet_is_cut_and_says_so() -> None:
    view = Composition()
    rows = (GridRow(number=row, cells={1: f"text {row}", 2: "more"}) for row in range(1, 1000))
    SheetView(view, "S", [], 500).fill(rows)
    assert view.text().endswith("and those below are left out: the workbook holds too much text.]")
    assert 500 < view.length < 700


def test_tables_below_a_gap_have_their_own_header_or_go_on(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Key", "Value", "Unit"], ["a", 1, "m"], [], ["b", 2, "m"], [], ["Name", "Town", "Zip"], ["Li", "Ulm", "x"]):
        sheet.append(row)
    assert texts(saved(tmp_path, book))[0].split("\n")[2:] == [
        "| Key | Value | Unit", "| Key: a | Value: 1 | Unit: m", "", "| Key: b | Value: 2 | Unit: m", "",
        "| Name | Town | Zip", "| Name: Li | Town: Ulm | Zip: x",
    ]  # fmt: skip


def test_what_is_no_workbook_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no document inside"):
        open_xlsx(write_parts(tmp_path / "a", {"x.xml": "<x/>"}), None)
    parts = sheet_parts('<row r="1"><c><v>1</v></c></row><row r="2"><c><v>2</v>')
    parts["xl/worksheets/sheet1.xml"] = str(parts["xl/worksheets/sheet1.xml"])[:-30]
    assert texts(write_parts(tmp_path / "b", parts)) == ["One\n\n| 1"]
