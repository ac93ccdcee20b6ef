"""Older formats (DOC, XLS, PPT, RTF, XLSB) through LibreOffice where it is installed: converted, then read as the newer one.

LibreOffice runs as a program of the worker (program.py): its process group, its memory and time, without network, with a
profile of its own in the worker's folder, which goes with the worker. Macros are switched off and linked content is not loaded.
Tests: tests/integration/test_office_libreoffice.py.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from antiphon.core.errors import BadRequest, Internal, Timeout, Unsupported
from antiphon.ingest.office.docx import open_docx
from antiphon.ingest.office.office_document import OfficeDocument
from antiphon.ingest.office.pptx import open_pptx
from antiphon.ingest.office.xlsx import open_xlsx
from antiphon.ingest.program import Finished, find_program, run_program

CONVERSION_TIMEOUT_S: Final = 60.0
DEBIAN_PACKAGES: Final = ("libreoffice-writer-nogui", "libreoffice-calc-nogui", "libreoffice-impress-nogui")
_WRITING_TIMEOUT_S: Final = 5.0
_RESTART_STATUS: Final = 81
"""A new profile was made: "start me again"."""
_SETTINGS: Final = (
    ("/org.openoffice.Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("/org.openoffice.Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "DisableActiveContent", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "DisableOLEAutomation", "true"),
    ("/org.openoffice.Office.Writer/Content/Update", "Link", "0"),
    ("/org.openoffice.Office.Calc/Content/Update", "Link", "1"),
    ("/org.openoffice.Office.Common/Misc", "FirstRun", "false"),
    ("/org.openoffice.Office.Common/Save/Document", "AutoSave", "false"),
    ("/org.openoffice.Office.Recovery/RecoveryInfo", "SessionData", "false"),
)


def find_libreoffice() -> str | None:
    """The program's path, or None."""
    found = find_program("soffice", "libreoffice", "lowriter")
    if found is None:
        return None
    # the script in between would start the program as a child of its own, out of reach of the death signal
    direct = Path(found).resolve().with_name("soffice.bin")
    return str(direct) if direct.is_file() else found


def open_old_text(path: Path, _password: str | None) -> OfficeDocument:
    """DOC, RTF and whatever else LibreOffice Writer opens. Raises Unsupported where it is not installed."""
    return open_docx(_converted(path, "docx"), None)


def open_old_sheets(path: Path, _password: str | None) -> OfficeDocument:
    """XLS, XLSB."""
    return open_xlsx(_converted(path, "xlsx"), None)


def open_old_slides(path: Path, _password: str | None) -> OfficeDocument:
    """PPT."""
    return open_pptx(_converted(path, "pptx"), None)


def _converted(path: Path, kind: str) -> Path:
    program = find_libreoffice()
    if program is None:
        raise Unsupported(
            "Files of older Office programs are read with LibreOffice, which is not installed on the server: install it, "
            f"or save the file as .{kind} or .pdf and add that.",
            data={"reason": "libreoffice_missing"},
        )
    folder = Path(tempfile.mkdtemp())
    source = folder / "document"
    source.symlink_to(path)  # a name of our own: LibreOffice tells the kind by content
    command = [
        program, f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless", "--norestore", "--nodefault",
        "--nolockcheck", "--nologo", "--nofirststartwizard", "--convert-to", kind, "--outdir", str(folder / "out"), str(source),
    ]  # fmt: skip
    _write_profile(folder / "profile")
    finished = _run(command)
    if finished.status == _RESTART_STATUS:
        finished = _run(command)
    written = folder / "out" / f"document.{kind}"
    if not written.is_file() or not written.stat().st_size:
        raise _refusal(finished, kind)
    return written


def _run(command: list[str]) -> Finished:
    try:
        return run_program(command, timeout_s=CONVERSION_TIMEOUT_S)
    except Timeout as error:
        raise Timeout(
            f"LibreOffice took longer than {CONVERSION_TIMEOUT_S:g} s to convert the file and was ended: save it in the newer format."
        ) from error


def _refusal(finished: Finished, kind: str) -> BadRequest:
    detail = (finished.complaints + finished.output).decode("utf-8", "replace").strip()[-300:]
    return BadRequest(
        f"LibreOffice could not open the file: it is damaged or protected by a password. Open it in the program it was made with and save it as .{kind} or .pdf.",
        data={"reason": "unreadable", "detail": f"status {finished.status}: {detail}"},
    )


def _write_profile(profile: Path) -> None:
    """Settings only: the rest of the profile is made by LibreOffice."""
    items = "".join(
        f'<item oor:path="{escape(path)}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>'
        for path, name, value in _SETTINGS
    )
    user = profile / "user"
    user.mkdir(parents=True)
    content = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<oor:items xmlns:oor="http://openoffice.org/2001/registry" '
        f'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{items}</oor:items>'
    )
    # a worker may not write files, only the programs it runs
    finished = run_program(["tee", str(user / "registrymodifications.xcu")], timeout_s=_WRITING_TIMEOUT_S, given=content.encode())
    if finished.status:
        raise Internal("The profile for LibreOffice could not be written: is the folder for temporary files full?")
