"""HTML: headings, paragraphs, lists, tables, code, in the order of the page. Runs in worker processes.

What no reader sees (scripts, styles, hidden elements) and menus are left out; where a page has one main part, only that is
taken. Nothing is loaded. The walk is iterative: nesting costs nothing. Tests: tests/unit/ingest/text_formats/test_html.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from antiphon.ingest.composition import Composition
from antiphon.ingest.decoding import decode
from antiphon.ingest.plain_text import TextDocument, demand_size
from antiphon.ingest.text_formats.html_table import HtmlTable
from antiphon.ingest.text_formats.mending import one_line
from antiphon.ingest.text_formats.vocabulary import words

_UNSEEN: Final = words(
    "script style noscript template head iframe object embed applet svg canvas audio video map select option datalist ",
    "dialog link meta -comment -doctype frame frameset noframes",
)
_BLOCKS: Final = words(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header hgroup hr ",
    "html legend li main menu nav ol p section summary ul table caption tbody thead tfoot tr td th pre h1 h2 h3 h4 h5 h6 ",
    "listing plaintext xmp title",
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_VERBATIM: Final = frozenset({"pre", "listing", "xmp", "plaintext", "textarea"})
_HIDDEN_STYLE: Final = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_MENU_ROLES: Final = frozenset({"navigation", "banner", "contentinfo", "search", "menu", "menubar", "toolbar", "dialog"})
_MENU_TAGS: Final = frozenset({"nav", "footer"})
_META_CHARSET: Final = re.compile(rb"""<meta\b[^>]{0,400}?charset\s*=\s*["']?\s*([\w:.-]{2,40})""", re.IGNORECASE)
_XML_ENCODING: Final = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w:.-]{2,40})""")
_TAG: Final = re.compile(r"<(?P<end>/?)(?P<name>[a-zA-Z][\w:-]{0,60})")
_ANY_TAG: Final = re.compile(r"</?[a-zA-Z!?][^<>]{0,10000}>")
_PROGRAM: Final = re.compile(r"<(?:script|style)\b", re.IGNORECASE)
_PROGRAM_END: Final = re.compile(r"</(?:script|style)\b[^<>]{0,1000}>", re.IGNORECASE)
_NEVER_DEEP: Final = words(
    "area base br col embed hr img input link meta param source track wbr p li dd dt td th tr thead tbody tfoot option optgroup",
    "rt rp rb rtc colgroup caption html body head",
)
"""Empty elements, and those that the next one of their kind closes."""
_DEEPEST: Final = 500
_LEAST_MAIN_SHARE: Final = 0.3
_LEAST_MAIN_CHARACTERS: Final = 200


def open_html(path: Path, _password: str | None) -> TextDocument:
    demand_size(path)
    content = path.read_bytes()
    composition = Composition()
    title = add_html(composition, decode(content, declared_charset(content)))
    return composition.document(title, heading_anchors=True)


def declared_charset(content: bytes) -> str | None:
    """What the page says of itself in its first 4 KiB."""
    found = _META_CHARSET.search(content, 0, 4096) or _XML_ENCODING.search(content, 0, 1024)
    return None if found is None else found[1].decode("ascii", "replace")


def add_html(composition: Composition, html: str, *, level_shift: int = 0) -> str:
    """Adds the page's text and gives its title. `level_shift`: added to the levels of its headings."""
    html = html.replace("\x00", "")
    if nests_too_deeply(html):
        composition.block(unescape(_ANY_TAG.sub("\n", _without_programs(html))))
        return ""
    tree = LexborHTMLParser(html)
    found = tree.css_first("head > title")
    title = "" if found is None else one_line(found.text())
    root = tree.root
    if root is None:
        return title
    kinds = _survey(root)
    reader = _Reader(composition, level_shift, kinds.layout_tables)
    before = composition.length
    reader.read(kinds.main or root, skip_menus=True)
    if composition.length == before:
        reader.read(root, skip_menus=False)
    return title or (composition.outline[0].title if composition.outline and composition.outline[0].level == 1 else "")


def nests_too_deeply(html: str) -> bool:
    """Whether more elements are open at once than any page has: the parser takes time for each of them with each tag."""
    depth = 0
    for tag in _TAG.finditer(html):
        name = tag["name"].lower()
        if name in _NEVER_DEEP:
            continue
        if tag["end"]:
            depth -= depth > 0
        else:
            depth += 1
            if depth > _DEEPEST:
                return True
    return False


def _without_programs(html: str) -> str:
    kept: list[str] = []
    position = 0
    while (start := _PROGRAM.search(html, position)) is not None:
        kept.append(html[position : start.start()])
        end = _PROGRAM_END.search(html, start.end())
        if end is None:
            return "\n".join(kept)
        position = end.end()
    return "\n".join([*kept, html[position:]])


class _Kinds:
    """What one look over the whole page finds."""

    def __init__(self) -> None:
        self.layout_tables: set[int] = set()
        self.main: LexborNode | None = None


def _survey(root: LexborNode) -> _Kinds:
    """Tables that hold tables or headings are layout; a single <main> with a good part of the text is the page."""
    kinds = _Kinds()
    tables: list[int] = []
    mains: list[tuple[LexborNode, int]] = []
    inside_main = main_characters = characters = 0
    for node, tag, entering in _walk(root):
        if tag == "-text":
            length = len((node.text_content or "").strip())
            characters += length
            main_characters += length if inside_main else 0
        elif tag in _HEADINGS or tag == "table":
            if entering and tables:
                kinds.layout_tables.add(tables[-1])
            if tag == "table":
                if entering:
                    tables.append(node.mem_id)
                    if (node.attributes.get("role") or "") in {"presentation", "none"}:
                        kinds.layout_tables.add(node.mem_id)
                else:
                    tables.pop()
        elif tag in {"main", "article"}:
            if entering and not inside_main:
                mains.append((node, node.mem_id))
            inside_main += 1 if entering else -1
    if len(mains) == 1 and main_characters >= max(_LEAST_MAIN_CHARACTERS, _LEAST_MAIN_SHARE * characters):
        kinds.main = mains[0][0]
    return kinds


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, str, bool]]:
    """(node, tag, entering) for all that can be seen, children in order. Text nodes come once, entering."""
    open_nodes: list[tuple[LexborNode, str]] = []
    node: LexborNode | None = root
    while node is not None:
        tag = node.tag or ""
        child = None
        if tag == "-text":
            yield node, tag, True
        elif tag not in _UNSEEN and not _is_hidden(node):
            yield node, tag, True
            child = node.child
            if child is not None:
                open_nodes.append((node, tag))
                node = child
                continue
            yield node, tag, False
        following = node.next if open_nodes else None
        while following is None and open_nodes:
            parent, parent_tag = open_nodes.pop()
            yield parent, parent_tag, False
            following = parent.next if open_nodes else None
        node = following


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes:
        return True
    style = attributes.get("style")
    return bool(style and _HIDDEN_STYLE.search(style[:2000]))


class _Reader:
    def __init__(self, composition: Composition, level_shift: int, layout_tables: set[int]) -> None:
        self._composition = composition
        self._shift = level_shift
        self._layout = layout_tables
        self._inline: list[str] = []
        self._lists: list[int | None] = []
        """For each open list the next number, None for one without numbers."""
        self._prefix = ""
        self._table: HtmlTable | None = None
        self._table_depth = 0
        self._verbatim = 0

    def read(self, root: LexborNode, *, skip_menus: bool) -> None:
        skipped: int | None = None
        for node, tag, entering in _walk(root):
            if skipped is not None:
                if not entering and node.mem_id == skipped:
                    skipped = None
                continue
            if tag == "-text":
                self._inline.append(node.text_content or "")
            elif entering:
                if skip_menus and node.mem_id != root.mem_id and _is_menu(node, tag):
                    self._flush()
                    skipped = node.mem_id
                else:
                    self._enter(node, tag)
            else:
                self._leave(tag)
        self._flush()

    def _enter(self, node: LexborNode, tag: str) -> None:
        if tag == "br":
            self._inline.append("\n" if self._verbatim else "\v")
        elif tag == "img":
            alternative = node.attributes.get("alt")
            self._inline.append(f" {alternative} " if alternative else "")
        elif tag in {"input", "button"}:
            return
        elif self._table is not None:
            self._enter_in_table(node, tag)
        elif tag in _BLOCKS:
            self._flush()
            if tag == "table" and node.mem_id not in self._layout:
                self._table, self._table_depth = HtmlTable(), 1
            elif tag in {"ul", "ol", "menu"}:
                self._lists.append(1 if tag == "ol" else None)
            elif tag == "li":
                self._prefix = self._item_prefix()
            self._verbatim += tag in _VERBATIM

    def _enter_in_table(self, node: LexborNode, tag: str) -> None:
        table = self._table
        if table is None:
            return
        if tag == "table":
            self._table_depth += 1
        elif self._table_depth == 1 and tag in {"tr", "td", "th", "thead", "caption"}:
            text = self._taken()
            if tag == "caption":
                return
            table.enter(tag, text, node.attributes)
        elif tag in _BLOCKS:
            self._inline.append(" ")

    def _leave(self, tag: str) -> None:
        if self._table is not None:
            self._leave_in_table(tag)
        elif tag in _HEADINGS:
            title = one_line("".join(self._inline))
            self._inline.clear()
            self._prefix = ""
            self._composition.heading(title, _HEADINGS[tag] + self._shift)
        elif tag in _BLOCKS:
            self._flush()
            if tag in {"ul", "ol", "menu"} and self._lists:
                self._lists.pop()
            self._verbatim -= tag in _VERBATIM

    def _leave_in_table(self, tag: str) -> None:
        table = self._table
        if table is None:
            return
        if tag == "table":
            self._table_depth -= 1
            if self._table_depth == 0:
                table.leave(tag, self._taken())
                self._table = None
                table.add_to(self._composition)
        elif self._table_depth == 1 and tag in {"tr", "td", "th", "thead", "caption"}:
            text = self._taken()
            if tag == "caption":
                self._composition.block(text)
            else:
                table.leave(tag, text)
        elif tag in _BLOCKS:
            self._inline.append(" ")

    def _item_prefix(self) -> str:
        depth = max(0, min(len(self._lists), 6) - 1)
        number = self._lists[-1] if self._lists else None
        if self._lists and number is not None:
            self._lists[-1] = number + 1
        return "  " * depth + ("- " if number is None else f"{number}. ")

    def _taken(self) -> str:
        text = one_line("".join(self._inline).replace("\v", " "))
        self._inline.clear()
        return text

    def _flush(self) -> None:
        if not self._inline:
            return
        text = "".join(self._inline)
        self._inline.clear()
        if self._verbatim:
            self._composition.block(text.replace("\v", "\n").strip("\n"))
            return
        text = "\n".join(filter(None, map(one_line, text.split("\v"))))
        if not text:
            return
        if self._prefix:
            self._composition.line(self._prefix + text)
        elif self._lists:
            self._composition.line("  " * min(len(self._lists), 6) + text)
        else:
            self._composition.block(text)
        self._prefix = ""


def _is_menu(node: LexborNode, tag: str) -> bool:
    return tag in _MENU_TAGS or (node.attributes.get("role") or "") in _MENU_ROLES
