"""What of a chunk is embedded: title and headings above it, then its text, so that "It weighs 3 kg" says of what. Pure.

EMBEDDED_TEXT_VERSION is part of the space: another form of text makes other vectors. Used by the backends of VectorStore.
Tests: tests/conformance/test_vectors.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

EMBEDDED_TEXT_VERSION: Final = 1
_HEADLINE_CHARACTERS: Final = 200


def embedded_text(text: str, heading_path: Sequence[str], title: str) -> str:
    """The headline is cut, the text never is: a model cuts what is too long for it at the end."""
    parts = list(dict.fromkeys(part.strip() for part in (title, *heading_path) if part.strip()))
    headline = " > ".join(parts)[:_HEADLINE_CHARACTERS]
    return f"{headline}\n{text}" if headline else text


def space_key(fingerprint: str) -> str:
    """The fingerprint of an embedder's space together with the form of text that is embedded."""
    return f"{fingerprint}.{EMBEDDED_TEXT_VERSION}"
