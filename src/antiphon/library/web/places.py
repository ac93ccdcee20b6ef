"""Name and path of a document that came from an address, and the address as it is kept: one for all spellings.

Pure; used by the crawl. Tests: tests/unit/library/test_web_places.py.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

from antiphon.core.display_names import clean_file_name, clean_name
from antiphon.outgoing.url import WebUrl

LONGEST_PATH: Final = 900
"""A document's may have 1,000 characters."""
_TRACKING: Final = re.compile(r"(?:utm_[a-z_]+|gclid|fbclid|msclkid|mc_[ce]id)", re.IGNORECASE)
_DISPOSITION: Final = re.compile(r"filename\s*=\s*(?:\"([^\"]{1,300})\"|([^\s;\"]{1,300}))", re.IGNORECASE)
_EXTENSIONS: Final[dict[str, str]] = {
    "text/html": ".html", "application/xhtml+xml": ".html", "application/pdf": ".pdf", "text/markdown": ".md", "text/plain": ".txt",
    "text/csv": ".csv", "application/json": ".json", "application/xml": ".xml", "text/xml": ".xml", "application/epub+zip": ".epub",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
}  # fmt: skip
_SUFFIX: Final = re.compile(r"\.[a-z][a-z0-9]{0,5}")


def kept_url(url: WebUrl) -> WebUrl:
    """Without what only tells where a visitor came from, and without an empty query."""
    if url.query is None:
        return url
    kept = [part for part in url.query.split("&") if part and not _TRACKING.fullmatch(part.partition("=")[0])]
    return replace(url, query="&".join(kept) or None)


def document_path(url: WebUrl) -> str:
    """`example.org/docs/intro`: host and path, as people read them; a long one is cut and told apart by a digest."""
    readable = f"{url.host}{url.readable_path}" + (f"?{unquote(url.query, errors='replace')}" if url.query else "")
    parts = [clean_name(part, max_characters=LONGEST_PATH) for part in readable.replace("\\", "_").split("/")]
    path = "/".join("_" if part in {".", ".."} else part for part in parts if part)
    path = "".join(character if character.isprintable() else "_" for character in path)
    if len(path) <= LONGEST_PATH:
        return path
    digest = sha256(str(url).encode()).hexdigest()[:16]
    return f"{path[: LONGEST_PATH - 20]}…{digest}"


def document_name(url: WebUrl, content_type: str = "", disposition: str = "") -> str:
    """What the site calls the file, else the last part of the path, else the host; with an extension when the type has one."""
    given = _DISPOSITION.search(disposition)
    last = url.readable_path.rstrip("/").rpartition("/")[2]
    name = clean_file_name(unquote((given[1] or given[2]) if given else (last or url.host)))
    extension = _EXTENSIONS.get(content_type.partition(";")[0].strip().lower(), "")
    has_one = bool(last or given) and _SUFFIX.fullmatch(PurePosixPath(name).suffix.lower()) is not None
    return name if has_one or not extension else clean_file_name(name + extension)
