from __future__ import annotations

from antiphon.ingest.pdf import open_pdf
from antiphon.sample.documents import sample_documents


def test_the_sample_is_there_in_both_languages() -> None:
    paths = sample_documents()
    assert all(path.is_file() for path in paths)
    assert {path.parent for path in paths} == {paths[0].parent}
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(path.name for path in paths)
    assert sum(path.suffix == ".pdf" for path in paths) == 2


def test_the_chinese_handbook_gives_its_text() -> None:
    handbook = open_pdf(sample_documents()[1], None)
    pages = list(handbook.pages())
    assert handbook.title == "霁川员工手册"
    assert "年休假原则上当年休完，未休完的可顺延至次年三月三十一日，逾期作废。" in "".join(page.text for page in pages)
    outline = handbook.outline()
    assert ("第三章 休假", 1, 4) in [(heading.title, heading.level, heading.page) for heading in outline]
    assert len(handbook.furniture()) == len(pages) == 10
    handbook.close()
