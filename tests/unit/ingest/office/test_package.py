from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.office import refusals
from antiphon.ingest.office.markup import attribute, child, is_on, parse_markup, stream_elements
from antiphon.ingest.office.package import Package
from antiphon.testing.office_files import RawZip, relationships, word_parts, write_parts


def test_relations_are_found_by_kind_and_outside_ones_left_out(tmp_path: Path) -> None:
    parts = word_parts("", styles="")
    parts["word/_rels/document.xml.rels"] = relationships(
        {"a": ("styles", "/word/STYLES.xml"), "b": ("image", "../../x"), "c": ("styles", "gone.xml")}
    ).replace('Id="b"', 'Id="b" TargetMode="External"')
    package = Package(write_parts(tmp_path / "a", parts))
    assert list(package.relations("word/document.xml")) == ["a"]
    assert package.related("word/document.xml", "styles") == "word/STYLES.xml"
    assert package.optional("word/styles.xml") is not None
    assert package.optional("nothing") is None
    with pytest.raises(BadRequest, match="missing"):
        package.open("nothing")
    package.close()


@pytest.mark.parametrize(
    ("title", "kept"),
    [("Leave rules", "Leave rules"), ("PowerPoint Presentation", ""), ("Microsoft Word - x.doc", ""), ("幻灯片 1", ""), ("Slide show rules", "Slide show rules")],
)  # fmt: skip
def test_titles_that_programs_fill_in_are_no_titles(tmp_path: Path, title: str, kept: str) -> None:
    parts = {**word_parts(""), "docProps/core.xml": f"<c><title>{title}</title></c>"}
    assert Package(write_parts(tmp_path / "a", parts)).title() == kept


def test_broken_markup_gives_what_stands_before_the_break() -> None:
    root = parse_markup(b"<a xmlns:w='w'><b w:val='0'>x</b><c>y</a>")
    assert attribute(child(root, "b"), "val") == "0"
    assert not is_on(child(root, "b"))
    assert is_on(child(root, "c"))
    with pytest.raises(BadRequest):
        parse_markup(b"")


def test_entities_are_never_followed_even_without_the_guard(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("TOP SECRET")
    root = parse_markup(f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]><d><t>a&x;b</t></d>'.encode())
    found = child(root, "t")
    assert found is not None
    assert "SECRET" not in "".join([found.text or "", *(below.text or "" for below in found)])


def test_streamed_elements_do_not_pile_up(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_bytes(b"<a>" + b"<row><c>1</c></row>" * 1000 + b"</a>")
    with (tmp_path / "x.xml").open("rb") as file:
        kept = [element.getparent() for element in stream_elements(file, "row")]
    assert len(kept) == 1000
    assert kept[-1] is not None
    assert len(kept[-1]) <= 1


def test_archives_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="unpack it"):
        refusals.refuse_archive(write_parts(tmp_path / "a", {"a.txt": "x"}), None)
    raw = RawZip()
    raw.add_text("../a", "x")
    with pytest.raises(BadRequest, match="leads outside"):
        refusals.refuse_archive(raw.write(tmp_path / "b"), None)
