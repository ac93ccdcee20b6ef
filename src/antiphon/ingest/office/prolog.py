"""What stands before the root element of an XML part: refuses entities that point elsewhere or multiply.

For zip_guard.py; expat decides on encodings and comments as parsers do. Nothing is ever fetched.
Tests: tests/unit/ingest/office/test_zip_guard.py.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

from antiphon.core.errors import BadRequest

LONGEST_PROLOG_BYTES: Final = 2**20
MOST_ENTITIES: Final = 300
"""XHTML declares 253; each here stands for a short text."""
_LONGEST_ENTITY: Final = 100


class _Reached(Exception):
    """The root element begins: a document type can't follow."""


class Prolog:
    """Fed with the beginning of a part. `strict`: no document type declaration at all."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._fed_bytes = 0
        self._entities = 0
        self._parser = expat.ParserCreate()
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.StartElementHandler = self._root
        self._parser.StartDoctypeDeclHandler = self._document_type
        self._parser.EntityDeclHandler = self._entity

    def feed(self, window: bytes) -> bool:
        """Whether enough was seen. Raises BadRequest for what must not be opened."""
        self._fed_bytes += len(window)
        if self._fed_bytes > LONGEST_PROLOG_BYTES:
            raise _refused()
        try:
            self._parser.Parse(window[:LONGEST_PROLOG_BYTES], False)
        except _Reached:
            return True
        except expat.ExpatError:
            return True  # not XML: whoever parses it says so
        except (LookupError, ValueError):  # an encoding that expat does not know; OOXML has but two
            if self._strict:
                raise _refused() from None
            return True
        return False

    def _root(self, _name: str, _attributes: object) -> None:
        raise _Reached

    def _document_type(self, _name: str, _system: str | None, _public: str | None, _internal: bool) -> None:
        if self._strict:
            raise _refused()

    def _entity(
        self, _name: str, is_parameter: bool, value: str | None, _base: str | None, _system: str | None, _public: str | None,
        _notation: str | None,
    ) -> None:  # fmt: skip
        self._entities += 1
        external_or_long = value is None or len(value) > _LONGEST_ENTITY
        if is_parameter or external_or_long or "&" in (value or "") or self._entities > MOST_ENTITIES:
            raise _refused()


def _refused() -> BadRequest:
    return BadRequest(
        "The file declares XML entities, which office programs never write and attacks do; it was not opened.",
        data={"reason": "unsafe_markup"},
    )
