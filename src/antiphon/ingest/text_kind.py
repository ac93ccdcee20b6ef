"""Kinds of text: HTML, XML, JSON, mail, CSV, Markdown, source code or plain. By content first, then by the name's ending.

Used by media_type.py. Linear in the head it gets. Tests: tests/unit/ingest/test_media_type.py.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from antiphon.ingest.decoding import decode
from antiphon.ingest.media_names import (
    ATOM,
    CSV,
    HTML,
    JSON,
    JSON_LINES,
    MAIL,
    MARKDOWN,
    MBOX,
    NOTEBOOK,
    PLAIN_TEXT,
    RSS,
    RTF,
    SOURCE_CODE,
    SVG,
    TSV,
    XML,
)
from antiphon.ingest.text_formats.json_tokens import looks_like_json
from antiphon.ingest.text_formats.vocabulary import words

_BY_ENDING: Final[dict[str, str]] = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"), MARKDOWN),
    **dict.fromkeys((".csv",), CSV),
    **dict.fromkeys((".tsv", ".tab"), TSV),
    **dict.fromkeys((".html", ".htm", ".xhtml"), HTML),
    **dict.fromkeys((".jsonl", ".ndjson"), JSON_LINES),
    **dict.fromkeys(
        words(
    ".py .pyi .pyw .js .mjs .cjs .jsx .ts .tsx .vue .svelte .java .kt .kts .scala .groovy .gradle .c .h .cc .cpp .cxx .hpp ",
    ".hh .cs .go .rs .rb .php .pl .pm .swift .m .mm .r .jl .lua .dart .ex .exs .erl .hs .ml .fs .clj .lisp .el .sh .bash ",
    ".zsh .fish .ps1 .bat .cmd .sql .css .scss .less .proto .thrift .graphql .tf .hcl .cmake .mk .nix .zig .asm .s .f90 ",
    ".vb .pas .tcl .vhd .sv .toml .yaml .yml .ini .cfg .conf .properties",
),
        SOURCE_CODE,
    ),
}  # fmt: skip
_CODE_NAMES: Final = frozenset({"makefile", "dockerfile", "rakefile", "gemfile", "cmakelists.txt", "jenkinsfile"})

_HTML_START: Final = re.compile(r"(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_HTML_TAGS: Final = re.compile(
    r"</?(?:div|p|span|table|tr|td|ul|li|br|a|h[1-6]|strong|em|b|i|img|meta|style|script)\b[^<>]*>", re.IGNORECASE
)
_XML_START: Final = re.compile(r"<\?xml\s|<!DOCTYPE\s", re.IGNORECASE)
_XML_NOISE: Final = re.compile(
    r"\s*(?:<\?[^>]{0,1000}\?>|<!--.{0,4000}?-->|<!DOCTYPE[^>\[]{0,1000}(?:\[[^\]]{0,4000}\]\s*)?>)", re.IGNORECASE | re.DOTALL
)
_ELEMENT: Final = re.compile(r"\s*<(?:[\w.-]{1,100}:)?([A-Za-z_][\w.-]{0,100})(?=[\s/>])([^<>]{0,4000})")
_CLOSING: Final = re.compile(r"</(?:[\w.-]{1,100}:)?[A-Za-z_][\w.-]{0,100}\s*>|/>")

_HEADER: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60}):(?: |\t|$)|>?From ")
_MAIL_HEADERS: Final = words(
    "from to cc bcc subject date received message-id mime-version return-path delivered-to reply-to sender content-type ",
    "x-mailer in-reply-to references dkim-signature authentication-results x-original-to content-transfer-encoding",
)
_TELLING_MAIL_HEADERS: Final = frozenset({"from", "received", "message-id", "return-path", "delivered-to", "mime-version"})
_MBOX_LINE: Final = re.compile(r"From \S+ .{10,80}\d{4}$")
_SHEBANG: Final = re.compile(r"#!\s*/\S*(?:/env\s|/bin/|python|node|perl|ruby)")


def text_media_type(head: bytes, name: str, *, whole: bool) -> str:
    """`whole`: the head is all of the file."""
    text = decode(head).lstrip("\ufeff")
    start = text.lstrip()
    ending = PurePosixPath(name.lower()).suffix
    if start.startswith("{\\rtf"):
        return RTF
    if start.startswith("<"):
        found = _markup(start, ending)
        if found is not None:
            return found
    if start[:1] in {"{", "["}:
        found = _json(start, ending, whole=whole)
        if found is not None:
            return found
    if not text[:1].isspace():
        found = _mail(text)
        if found is not None:
            return found
    by_name = _BY_ENDING.get(ending)
    if by_name is not None and not (by_name == HTML and _HTML_TAGS.search(text) is None):
        return PLAIN_TEXT if by_name == JSON_LINES else by_name
    if PurePosixPath(name.lower()).name in _CODE_NAMES or _SHEBANG.match(start):
        return SOURCE_CODE
    return _delimited(text, whole=whole) or PLAIN_TEXT


def _markup(start: str, ending: str) -> str | None:
    if _HTML_START.match(start):
        return HTML
    said = _XML_START.match(start) is not None
    if not said and _BY_ENDING.get(ending) in {MARKDOWN, SOURCE_CODE}:
        return None  # such texts often begin with a piece of HTML
    position = 0
    while (noise := _XML_NOISE.match(start, position)) is not None and noise.end() > position:
        position = noise.end()
    root = _ELEMENT.match(start, position)
    if root is None:
        return XML if said and ending != ".html" else None
    tag = root[1].lower()
    if tag in {"html", "body", "head"}:
        return HTML
    if tag in {"svg", "feed", "rss"} or (tag == "rdf" and "purl.org/rss" in root[2]):
        return {"svg": SVG, "feed": ATOM}.get(tag, RSS)
    if said or ending in {".xml", ".xsd", ".xsl", ".opml", ".kml", ".gpx", ".dita", ".plist"} or "xmlns" in root[2]:
        return XML
    if len(_HTML_TAGS.findall(start[:4096])) >= 3 or ending in {".html", ".htm"}:
        return HTML
    # a well-formed looking element of unknown name, closed within the head
    return XML if ending in {"", ".txt"} and len(_CLOSING.findall(start)) >= 2 and not _HTML_TAGS.search(start) else None


def _json(start: str, ending: str, *, whole: bool) -> str | None:
    verdict = looks_like_json(start, whole=whole)
    if verdict is None:
        return None
    if verdict == "lines" or ending in {".jsonl", ".ndjson"}:
        return JSON_LINES
    if (ending == ".ipynb" or '"nbformat"' in start or '"cell_type"' in start) and '"cells"' in start:
        return NOTEBOOK
    return JSON


def _mail(text: str) -> str | None:
    """A block of header lines with at least two that every mail has. The block may be longer than the head."""
    known: set[str] = set()
    lines = text.split("\n")
    mbox = bool(_MBOX_LINE.match(lines[0]))
    for line in lines[1:-1] if mbox else lines[:-1] or lines:
        if not line.strip():
            break
        if line[0] in " \t" and known:
            continue
        header = _HEADER.match(line)
        if header is None:
            if len(known & _TELLING_MAIL_HEADERS) >= 3:
                break  # some mails begin their body without the empty line
            return None
        if header[1] is not None and header[1].lower() in _MAIL_HEADERS:
            known.add(header[1].lower())
    if len(known) >= 2 and known & _TELLING_MAIL_HEADERS:
        return MBOX if mbox and text.count("\nFrom ") else MAIL
    return None


def _delimited(text: str, *, whole: bool) -> str | None:
    """CSV without the name saying so: at least four lines, each with the same number, two or more, of one separator."""
    lines = text.split("\n")
    if not whole:
        lines.pop()
    lines = [line for line in lines if line.strip()][:50]
    if len(lines) < 4:
        return None
    for separator, media_type in (("\t", TSV), (";", CSV), ("|", CSV), (",", CSV)):
        counts = {line.count(separator) for line in lines}
        if len(counts) != 1 or min(counts) < 2:
            continue
        if separator == "|" and lines[0].strip().startswith("|"):
            continue  # a Markdown table
        if separator == "," and any(", " in line and '"' not in line for line in lines):
            continue  # prose has a space behind its commas
        return media_type
    return None
