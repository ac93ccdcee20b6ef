"""XML parts of office files: the one place that knows lxml. No entities, no network, no document types, 256 levels at most.

For the parsers of this folder. Names are compared without their namespace: the strict and the transitional dialect of OOXML
differ in nothing else that matters here. Tests: tests/unit/ingest/office/test_package.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import IO, Any, Final, Protocol, cast

from antiphon.core.errors import BadRequest, TooLarge

_etree: Final[Any] = import_module("lxml.etree")
"""It has no types of its own; what leaves this module has."""

LARGEST_TREE_BYTES: Final = 96 * 2**20
"""Of XML that is read as a whole; a tree takes several times that."""
MOST_TAGS: Final = 4_000_000
"""In such a part: every element takes its memory and time, however few bytes it is made of."""


class Element(Protocol):
    """What is used of an lxml element."""

    tag: str
    text: str | None
    tail: str | None

    def __iter__(self) -> Iterator[Element]: ...

    def __len__(self) -> int: ...

    def iter(self, *tags: str) -> Iterator[Element]: ...

    def get(self, key: str, default: None = None) -> str | None: ...

    def items(self) -> list[tuple[str, str]]: ...

    def clear(self) -> None: ...

    def getprevious(self) -> Element | None: ...

    def getparent(self) -> Element | None: ...

    def remove(self, child: Element, /) -> None: ...


_SAFE: Final[dict[str, Any]] = {
    "resolve_entities": False, "no_network": True, "load_dtd": False, "dtd_validation": False, "attribute_defaults": False,
    "remove_comments": True, "remove_pis": True, "huge_tree": False,
}  # fmt: skip


def parse_markup(content: bytes) -> Element:
    """The root element. A broken part gives what stands before the break. Raises BadRequest when that is nothing,
    TooLarge for one that would take too much memory."""
    if len(content) > LARGEST_TREE_BYTES:
        raise TooLarge(f"A part of the file is longer than {LARGEST_TREE_BYTES // 2**20} MiB: split the document.")
    if content.count(b"<") > MOST_TAGS:
        raise TooLarge(f"A part of the file has more than {MOST_TAGS:,} marks of structure: split the document.")
    try:
        root = _etree.fromstring(content, _etree.XMLParser(**_SAFE))
    except _etree.XMLSyntaxError:
        root = _recovered(content)
    if root is None:
        raise BadRequest("The file is damaged: a part of it is not XML.", data={"reason": "unreadable"})
    return cast("Element", root)


def _recovered(content: bytes) -> Any:
    try:
        return _etree.fromstring(content, _etree.XMLParser(recover=True, **_SAFE))
    except _etree.XMLSyntaxError:
        return None


def stream_elements(file: IO[bytes], *names: str) -> Iterator[Element]:
    """Elements of these names as they end, in any namespace; each is emptied when the next one is asked for."""
    tags = [f"{{*}}{name}" for name in names]
    options = {name: value for name, value in _SAFE.items() if name != "dtd_validation"}
    events = _etree.iterparse(file, events=("end",), tag=tags, recover=True, **options)
    for found in _elements(events):
        element = cast("Element", found)
        yield element
        element.clear()
        parent = element.getparent()
        if parent is not None:
            while (before := element.getprevious()) is not None:
                parent.remove(before)


def _elements(events: Any) -> Iterator[Any]:
    """What can't be mended ends them early."""
    while True:
        try:
            _, found = next(events)
        except (StopIteration, _etree.XMLSyntaxError):
            return
        yield found


def local(element: Element) -> str:
    """The name without its namespace; empty for what is not an element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]


def child(element: Element, *path: str) -> Element | None:
    """The first child of that name, and of that its first child of the next name."""
    found: Element | None = element
    for name in path:
        found = next((below for below in found if local(below) == name), None) if found is not None else None
    return found


def children(element: Element, name: str) -> Iterator[Element]:
    return (below for below in element if local(below) == name)


def attribute(element: Element | None, name: str) -> str | None:
    """Its value in whatever namespace the attribute stands."""
    if element is None:
        return None
    plain = element.get(name)
    if plain is not None:
        return plain
    return next((value for key, value in element.items() if key.rpartition("}")[2] == name), None)


def is_on(element: Element | None) -> bool:
    """An OOXML on/off element: there, and not switched off."""
    return element is not None and (attribute(element, "val") or "1") not in {"0", "false", "off", "none"}


def texts(element: Element, *names: str) -> str:
    """The text of all elements of these names below, in order."""
    return "".join(found.text or "" for found in element.iter(*(f"{{*}}{name}" for name in names)))
