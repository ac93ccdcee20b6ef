"""Containers that are told rather than opened: archives, and office files under a password.

Tests: tests/unit/ingest/office/test_package.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.media_names import ZIP, advice_for
from antiphon.ingest.office.libreoffice import find_libreoffice, open_old_sheets
from antiphon.ingest.office.office_document import OfficeDocument
from antiphon.ingest.office.zip_guard import inspect


def open_encrypted(path: Path, password: str | None) -> OfficeDocument:
    """DOCX, XLSX and PPTX under a password: an OLE container with the real file inside, encrypted.

    Workbooks whose structure is protected are encrypted too, with a password that every Excel knows; LibreOffice does as well."""
    if find_libreoffice() is not None:
        try:
            return open_old_sheets(path, password)
        except BadRequest:
            pass  # it has a password of its own
    raise Unsupported(
        "The file is encrypted with a password, which can't be opened here: in Word, Excel or PowerPoint store it without a "
        "password (File, Info, Protect), or export it as PDF, where a password can be given.",
        data={"reason": "encrypted"},
    )


def refuse_archive(path: Path, _password: str | None) -> NoReturn:
    """A zip that is no document. Raises what zip_guard.inspect raises for a cut-off or dangerous one: that is the better reason."""
    inspect(path)
    raise Unsupported(advice_for(ZIP), data={"reason": "unsupported_type", "media_type": ZIP})
