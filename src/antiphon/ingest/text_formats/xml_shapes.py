"""How the elements of an XML file become text: as a feed, an article, or data. Each gets start, characters and end in order.

For xml_text.py. No recursion; what is kept of open elements is bounded by their text. Tests:
tests/unit/ingest/text_formats/test_xml_text.py.
"""

from __future__ import annotations

from typing import Final, Protocol

from msgspec import Struct

from antiphon.ingest.composition import Composition, row_text
from antiphon.ingest.text_formats.html import add_html
from antiphon.ingest.text_formats.mending import one_line
from antiphon.ingest.text_formats.vocabulary import words

_SHOWN_PATH: Final = 3
_MOST_ATTRIBUTES: Final = 20
_LONGEST_ATTRIBUTE: Final = 300
_MOST_TEXTS: Final = 10
"""Of one item: description, summary, content."""


class Shape(Protocol):
    """`end` closes the element opened last."""

    title: str

    def start(self, name: str, attributes: dict[str, str], /) -> None: ...

    def characters(self, text: str, /) -> None: ...

    def end(self) -> None: ...


class _Open(Struct, kw_only=True):
    name: str
    pieces: list[str]
    children: int = 0
    before_is_record: bool = False
    """The child that ended last had children of its own."""


class DataShape:
    """Settings, exports, catalogues: the text of an element without children is a line with its path."""

    def __init__(self, composition: Composition) -> None:
        self.title = ""
        self._composition = composition
        self._open: list[_Open] = []
        self._fresh = True

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._open:
            parent = self._open[-1]
            parent.children += 1
            self._add_text(parent)
            self._fresh = self._fresh or parent.before_is_record
        self._open.append(_Open(name=name, pieces=[]))
        said = [
            f"{key.rpartition(':')[2]} = {value[:_LONGEST_ATTRIBUTE]}"
            for key, value in list(attributes.items())[:_MOST_ATTRIBUTES]
            if value.strip() and not key.startswith("xmlns") and not key.startswith("xsi:")
        ]
        if said:
            self._add(f"{self._path()}: {', '.join(said)}")

    def characters(self, text: str) -> None:
        self._open[-1].pieces.append(text)

    def end(self) -> None:
        element = self._open[-1]
        self._add_text(element)
        self._open.pop()
        if self._open:
            self._open[-1].before_is_record = element.children > 0

    def _add_text(self, element: _Open) -> None:
        text = one_line("".join(element.pieces))
        element.pieces.clear()
        if text:
            self._add(f"{self._path()}: {text}")

    def _add(self, line: str) -> None:
        if self._fresh:
            self._composition.block(line)
        else:
            self._composition.line(line)
        self._fresh = False

    def _path(self) -> str:
        return "/".join(element.name for element in self._open[-_SHOWN_PATH:])


class FeedShape:
    """RSS and Atom: the feed's title, then for each item its title as heading, what is known of it, and its text."""

    _TEXTS: Final = frozenset({"description", "encoded", "content", "summary", "subtitle", "div"})
    _FACTS: Final = {"pubDate": "Date", "published": "Date", "updated": "Updated", "date": "Date", "creator": "Author", "author": "Author",
                     "name": "Author", "link": "Link", "category": "Category", "lastBuildDate": "Updated"}  # fmt: skip

    def __init__(self, composition: Composition) -> None:
        self.title = ""
        self._composition = composition
        self._names: list[str] = []
        self._pieces: list[str] = []
        self._item: dict[str, list[str]] = {}
        self._in_item = 0
        self._collecting = 0
        """Depth of the element whose markup is its text (Atom's xhtml)."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._names.append(name)
        if self._collecting:
            self._pieces.append(f"<{name}>")
            return
        self._pieces.clear()
        if name in {"item", "entry"} and not self._in_item:
            self._add_item(level=1)
            self._in_item = len(self._names)
        elif name in self._TEXTS:
            self._collecting = len(self._names)
        elif name == "link" and attributes.get("href") and attributes.get("rel", "alternate") == "alternate":
            self._item.setdefault("Link", []).append(attributes["href"])
        elif name == "category" and attributes.get("term"):
            self._item.setdefault("Category", []).append(attributes["term"])

    def characters(self, text: str) -> None:
        self._pieces.append(text)

    def end(self) -> None:
        depth = len(self._names)
        name = self._names.pop()
        if self._collecting and depth > self._collecting:
            self._pieces.append(f"</{name}>")
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        if depth == self._collecting:
            self._collecting = 0
            if text.strip():
                self._item.setdefault("text", []).append(text)
        elif name == "title" and text.strip() and (not self._names or self._names[-1] != "image"):
            self._item.setdefault("title", []).append(one_line(text))
        elif name in self._FACTS and text.strip():
            self._item.setdefault(self._FACTS[name], []).append(one_line(text))
        if depth == self._in_item:
            self._add_item(level=2)
            self._in_item = 0
        elif not self._names:
            self._add_item(level=1)

    def _add_item(self, level: int) -> None:
        item, self._item = self._item, {}
        if not item:
            return
        title = next(iter(item.pop("title", [])), "")
        texts = item.pop("text", [])
        self.title = self.title or title
        self._composition.heading(title, level)
        for number, (name, values) in enumerate(item.items()):
            line = f"{name}: {', '.join(dict.fromkeys(values))}"
            if number:
                self._composition.line(line)
            else:
                self._composition.block(line)
        seen: list[str] = []
        for text in sorted(texts, key=len, reverse=True)[:_MOST_TEXTS]:
            part = Composition()
            add_html(part, text, level_shift=level)
            body = part.text()
            start = one_line(body)[:80]
            if any(start in other for other in seen):  # the summary repeats the beginning of the full text
                continue
            seen.append(one_line(body))
            self._composition.extend(part)


class ArticleShape:
    """JATS, DocBook, TEI, DITA and the like: titles are headings, paragraphs blocks, tables rows; the rest is inline text."""

    _TITLES: Final = frozenset(
        {"title", "article-title", "head", "book-title", "chapter-title", "h1", "h2", "h3", "h4", "h5", "h6"}
    )
    _SECTIONS: Final = words(
        "sec section sect1 sect2 sect3 sect4 sect5 chapter part appendix abstract front back body book div div1 div2 div3 ref-list ack ",
        "topic concept task reference preface glossary bibliography app level1 level2 level3 fn-group",
    )
    _BLOCKS: Final = words(
        "p para simpara formalpara list list-item listitem itemizedlist orderedlist item fig figure caption table-wrap table informaltable ",
        "label ref mixed-citation element-citation citation disp-formula programlisting screen code note warning tip important aff ",
        "contrib author-notes kwd-group history date pub-date permissions license-p subtitle author abstract quote lg l sp stage ",
        "bibl biblstruct epigraph fn footnote entrytbl thead tbody tr row g text tspan desc metadata blockquote dd dt li ol ul dl ",
        "journal-meta article-meta article-categories subj-group title-group contrib-group funding-group award-group related-article",
    )
    _CELLS: Final = frozenset({"td", "th", "entry"})
    _ROWS: Final = frozenset({"tr", "row"})
    _SEPARATE: Final = words(
        "surname given-names year volume issue fpage lpage kwd subject article-id journal-id journal-title publisher-name issn source name ",
        "string-name day month elocation-id institution country email funding-source award-id pub-id",
    )

    def __init__(self, composition: Composition) -> None:
        self.title = ""
        self._composition = composition
        self._names: list[str] = []
        self._pieces: list[str] = []
        self._sections = 0
        self._row: list[str] | None = None
        self._header: list[str] | None = None
        self._heads = 0
        self._first_row = True
        self._table_depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 - of this shape's vocabulary they are ids
        name = name.lower()
        self._names.append(name)
        if name in {"table", "tgroup"}:
            self._flush()
            self._table_depth += 1
            self._header, self._first_row = None, True
        elif name == "thead":
            self._heads += 1
        elif self._row is not None:
            self._pieces.append(" ")
            return
        if name in self._ROWS and self._table_depth:
            self._flush()
            self._row = []
        elif name in self._TITLES or name in self._SECTIONS or name in self._BLOCKS:
            self._flush()
            self._sections += name in self._SECTIONS
        elif name in self._SEPARATE:
            self._pieces.append(" ")

    def characters(self, text: str) -> None:
        self._pieces.append(text)

    def end(self) -> None:
        name = self._names.pop()
        if self._row is not None and name in self._CELLS:
            self._row.append(one_line("".join(self._pieces)))
            self._pieces.clear()
        elif self._row is not None and name in self._ROWS:
            self._end_row(self._row)
        elif name == "thead":
            self._heads -= 1
        elif self._row is not None and name not in {"table", "tgroup"}:
            self._pieces.append(" ")
        elif name in self._TITLES:
            self._end_title()
        elif name in self._SECTIONS or name in self._BLOCKS or name in {"table", "tgroup"} or not self._names:
            self._flush()
            self._sections -= name in self._SECTIONS
            self._table_depth -= name in {"table", "tgroup"}
        elif name in self._SEPARATE:
            self._pieces.append(" ")

    def _end_title(self) -> None:
        title = one_line("".join(self._pieces))
        if not title:
            return
        in_reference = any(
            name in {"ref", "mixed-citation", "element-citation", "bibl", "caption", "fig"} for name in self._names[-4:]
        )
        if in_reference:
            self._flush()
            return
        self._pieces.clear()
        self._composition.heading(title, max(1, self._sections))
        self.title = self.title or title

    def _end_row(self, row: list[str]) -> None:
        self._row = None
        loose = one_line("".join(self._pieces))
        self._pieces.clear()
        if loose:
            self._composition.block(loose)
        if self._heads and self._header is None:
            self._header = row
            self._composition.row(row_text(row, ()), first=True)
            return
        line = row_text(row, self._header or ())
        self._composition.row(line, first=self._first_row)
        self._first_row = self._first_row and not line

    def _flush(self) -> None:
        text = one_line("".join(self._pieces))
        self._pieces.clear()
        self._composition.block(text)
