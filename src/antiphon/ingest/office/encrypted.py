"""DOCX, XLSX and PPTX under a password: an OLE container with the real file inside, decrypted in the worker's memory.

Without a password the one is tried that Excel gives to workbooks whose structure is protected, and that every program knows.
Tests: tests/unit/ingest/office/test_encrypted.py.
"""

from __future__ import annotations

import io
import struct
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from xml.parsers.expat import ExpatError

from antiphon.core.errors import BadRequest, TooLarge, Unsupported
from antiphon.ingest.containers import zip_media_type
from antiphon.ingest.media_names import DOCX, PPTX, XLSX
from antiphon.ingest.office.docx import open_docx
from antiphon.ingest.office.office_document import OfficeDocument
from antiphon.ingest.office.pptx import open_pptx
from antiphon.ingest.office.xlsx import open_xlsx

LARGEST_BYTES: Final = 128 * 2**20
MOST_KEY_ROUNDS: Final = 1_000_000
"""Office writes 100,000; a file may ask for four thousand million, each of which takes a microsecond."""
_KNOWN_PASSWORD: Final = "VelvetSweatshop"  # noqa: S105 - published, and the same in every copy of Excel
_FAULTS: Final = (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error, ExpatError)
"""What the library raises for a broken file."""
_OPENERS: Final = {DOCX: open_docx, XLSX: open_xlsx, PPTX: open_pptx}


def open_encrypted(path: Path, password: str | None) -> OfficeDocument:
    """Raises Unsupported (data.reason `password_required`) without the right password, BadRequest for a damaged file."""
    if path.stat().st_size > LARGEST_BYTES:
        raise TooLarge("The encrypted file is too large to be opened here: store it without a password, or split it.")
    with path.open("rb") as file:
        decrypted = _decrypted(file, password)
    opener = _OPENERS.get(zip_media_type(decrypted))
    if opener is None:
        raise Unsupported(
            "The file inside the encryption is no DOCX, XLSX or PPTX: store it without a password and add it again.",
            data={"reason": "encrypted"},
        )
    return opener(decrypted, None)


def _decrypted(file: io.BufferedReader, password: str | None) -> io.BytesIO:
    # it loads a cryptography library: only for the fork that needs it
    library: Any = import_module("msoffcrypto")
    made = io.BytesIO()
    try:
        opened: Any = library.OfficeFile(file)
        _demand_few_rounds(opened)
        opened.load_key(password=password or _KNOWN_PASSWORD, verify_password=True)
        opened.decrypt(made)
    except library.exceptions.InvalidKeyError as error:
        sentence = "The password is wrong." if password else "The file is encrypted."
        raise Unsupported(f"{sentence} Try again with its password.", data={"reason": "password_required"}) from error
    except (library.exceptions.DecryptionError, library.exceptions.FileFormatError, *_FAULTS) as error:
        raise BadRequest(
            "The file is encrypted in a way that can't be opened here, or damaged: store it without a password and add it again.",
            data={"reason": "encrypted"},
        ) from error
    made.seek(0)
    return made


def _demand_few_rounds(opened: Any) -> None:
    rounds: object = getattr(opened, "info", {}).get("spinValue", 0)
    if isinstance(rounds, int) and rounds > MOST_KEY_ROUNDS:
        raise Unsupported(
            "The file asks for an encryption key that takes minutes to make: store it without a password and add it again.",
            data={"reason": "encrypted"},
        )
