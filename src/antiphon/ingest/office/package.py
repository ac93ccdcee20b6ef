"""An OOXML container: its parts, and which part belongs to which (relationships). Survives wrong and missing ones.

Opening one has zip_guard look through the file first; of a damaged one is read what zip_salvage finds. Tests: tests/unit/ingest/office/test_package.py.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote

from msgspec import Struct

from antiphon.core.errors import AntiphonError, BadRequest
from antiphon.ingest.document import storable
from antiphon.ingest.office.markup import LARGEST_TREE_BYTES, Element, attribute, local, parse_markup
from antiphon.ingest.office.zip_guard import inspect
from antiphon.ingest.office.zip_salvage import salvaged

Source = Path | IO[bytes]
"""A file, or what was decrypted or salvaged of one."""

_READ_ERRORS: Final = (KeyError, zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError)
_JUNK_TITLES: Final = re.compile(
    r"(?:powerpoint )?(?:presentation|演示文稿|プレゼンテーション)|document|untitled|title|microsoft .*|(?:slide|幻灯片|スライド|folie) ?\d+",
    re.IGNORECASE,
)
_LONGEST_TITLE: Final = 200
_DAMAGED: Final = (
    "The file is damaged: what could be read of it is searchable, but parts may be missing or garbled. Store it again from the "
    "program it was made with and upload that."
)


class Relation(Struct, frozen=True, kw_only=True):
    """`kind`: the last word of its type (`slide`, `image`, ...); `target`: a part of this container."""

    id: str
    kind: str
    target: str


class Package:
    """Raises what zip_guard.inspect raises. `shortfall`: what is missing of a damaged one, as a sentence. Close it."""

    def __init__(self, source: Source) -> None:
        source, self.shortfall = _readable(source)
        try:
            self._archive = zipfile.ZipFile(source)
        except zipfile.BadZipFile as error:
            raise BadRequest("The file is damaged: it can't be opened.", data={"reason": "unreadable"}) from error
        self._names: dict[str, str] = {}
        for name in self._archive.namelist():  # part names are compared without case
            self._names[_normal(name).lower()] = name

    def close(self) -> None:
        self._archive.close()

    def has(self, part: str) -> bool:
        return _normal(part).lower() in self._names

    def names(self) -> list[str]:
        """In the container's order, as `part` takes them."""
        return [_normal(name) for name in self._archive.namelist()]

    def open(self, part: str) -> IO[bytes]:
        """Raises BadRequest when it is missing or broken."""
        try:
            return self._archive.open(self._names[_normal(part).lower()])
        except _READ_ERRORS as error:
            raise BadRequest(f"The file is damaged: its part {part!r} is missing.", data={"reason": "unreadable"}) from error

    def read(self, part: str) -> Element:
        """The root of a part. Raises BadRequest when it is missing, broken or too long to be read at once."""
        try:
            with self.open(part) as file:
                content = file.read(LARGEST_TREE_BYTES + 1)
        except _READ_ERRORS as error:
            raise BadRequest(f"The file is damaged: its part {part!r} can't be read.", data={"reason": "unreadable"}) from error
        return parse_markup(content)

    def optional(self, part: str | None) -> Element | None:
        """The root of a part that the document can do without."""
        if part is None or not self.has(part):
            return None
        try:
            return self.read(part)
        except AntiphonError:
            return None

    def relations(self, part: str) -> dict[str, Relation]:
        """By id; those that point outside or nowhere are left out."""
        folder, name = posixpath.split(_normal(part))
        root = self.optional(posixpath.join(folder, "_rels", f"{name}.rels"))
        found: dict[str, Relation] = {}
        for element in root if root is not None else ():
            key, target = attribute(element, "Id"), attribute(element, "Target")
            if local(element) != "Relationship" or not key or not target or attribute(element, "TargetMode") == "External":
                continue
            whole = _normal(posixpath.join("/" if target.startswith("/") else folder, unquote(target)))
            kind = (attribute(element, "Type") or "").rpartition("/")[2]
            if self.has(whole):
                found[key] = Relation(id=key, kind=kind, target=whole)
        return found

    def related(self, part: str, kind: str) -> str | None:
        """The first part of that kind."""
        return next((relation.target for relation in self.relations(part).values() if relation.kind == kind), None)

    def main_part(self, *fallbacks: str) -> str:
        """The part the container is about. Raises BadRequest when there is none."""
        found = self.related("", "officeDocument") or next((part for part in fallbacks if self.has(part)), None)
        if found is None:
            raise BadRequest("The file is damaged: it has no document inside.", data={"reason": "unreadable"})
        return found

    def holds_pictures(self) -> bool:
        return any("/media/" in name or name.startswith("Pictures/") for name in self._names.values())

    def title(self) -> str:
        """From the properties; empty when there is none, or one that programs fill in by themselves."""
        root = self.optional(self.related("", "core-properties") or "docProps/core.xml")
        for element in root if root is not None else ():
            if local(element) == "title":
                title = " ".join(storable(element.text or "").split())
                return "" if _JUNK_TITLES.fullmatch(title) else title[:_LONGEST_TITLE]
        return ""


def _readable(source: Source) -> tuple[Source, str]:
    """(what may be opened, what is missing of it)."""
    try:
        inspect(source)
    except BadRequest as error:
        if error.data.get("reason") != "unreadable":
            raise
        if isinstance(source, Path):
            with source.open("rb") as file:
                found = salvaged(file)
        else:
            found = salvaged(source)
        if found is None:
            raise
        inspect(found)
        return found, _DAMAGED
    return source, ""


def _normal(part: str) -> str:
    return posixpath.normpath("/" + part.replace("\\", "/")).lstrip("/")
