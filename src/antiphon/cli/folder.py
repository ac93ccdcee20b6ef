"""Which files `antiphon ingest` finds, and which of a folder's are new, changed, moved, the same, or gone since it was last sent.

A file is known by its path: the folder's name and the way inside it, with `/`. Files named by hand have none.
Tests: tests/unit/cli/test_folder.py.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import Any

from msgspec import Struct

from antiphon.core.errors import BadRequest


class Found(Struct, frozen=True, kw_only=True):
    """`known_as` is empty for a file that was named by hand."""

    path: Path
    known_as: str = ""


class Comparison(Struct, frozen=True, kw_only=True):
    """`missing`: documents of the server whose files are gone."""

    send: list[Found]
    unchanged: list[tuple[Found, dict[str, Any]]]
    moved: list[tuple[Found, dict[str, Any]]]
    missing: list[dict[str, Any]]


def find_files(paths: Sequence[Path]) -> Iterator[Found]:
    """In order, each once. Raises BadRequest for a path that is not there."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise BadRequest(f"{str(path)!r} is not there.")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in inside:
            hidden = path.is_dir() and any(part.startswith(".") for part in each.relative_to(path).parts)
            if each.is_file() and not hidden and each.resolve() not in seen:
                seen.add(each.resolve())
                yield Found(path=each, known_as=_known_as(path, each) if path.is_dir() else "")


def folder_names(paths: Sequence[Path]) -> list[str]:
    """What the paths of each folder's files begin with. Raises BadRequest when two folders can't be told apart."""
    names = [_name(path) for path in paths if path.is_dir()]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise BadRequest(f"Two of the folders are called {doubled!r}: send them one after the other, under different names.")
    return names


def compare(files: Sequence[Found], present: Sequence[dict[str, Any]], folders: Sequence[str]) -> Comparison:
    """`present`: the workspace's documents. A file that moved is one of the missing ones with the same content."""
    by_path = {str(document["path"]): document for document in present if document.get("path")}
    here = {found.known_as for found in files}
    missing = {
        path: document
        for path, document in by_path.items()
        if path not in here and any(path.startswith(f"{folder}/") for folder in folders)
    }
    send: list[Found] = []
    unchanged: list[tuple[Found, dict[str, Any]]] = []
    moved: list[tuple[Found, dict[str, Any]]] = []
    by_content = {str(document["sha256"]): path for path, document in missing.items()}
    for found in files:
        document = by_path.get(found.known_as) if found.known_as else None
        same_as = None
        if document is not None or (found.known_as and by_content):
            same_as = _digest(found.path)
        if document is not None and document["sha256"] == same_as and document["state"] != "failed":
            unchanged.append((found, document))
        elif document is None and same_as in by_content:
            moved.append((found, missing.pop(by_content.pop(same_as))))
        else:
            send.append(found)
    return Comparison(send=send, unchanged=unchanged, moved=moved, missing=list(missing.values()))


def _digest(path: Path) -> str:
    """ "" for a file that can't be read: sending it will say why."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _name(folder: Path) -> str:
    return unicodedata.normalize("NFC", folder.resolve().name or "folder")


def _known_as(folder: Path, path: Path) -> str:
    return unicodedata.normalize("NFC", f"{_name(folder)}/{path.relative_to(folder).as_posix()}")
