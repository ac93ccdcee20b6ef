"""Mends text before it is stored: what is invisible and would keep words from being found goes. Pure, linear.

Offsets are those of the mended text, so this must run before any is taken. Tests: tests/unit/ingest/text_formats/test_mending.py.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from antiphon.ingest.document import storable

# Soft hyphen, zero-width space, word joiner and invisible operators, direction marks and overrides, Mongolian separator,
# interlinear marks, tags, variation selectors are kept (they choose glyphs, also of Chinese characters).
_INVISIBLE: Final = re.compile("[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufff9-\ufffb\U000e0001-\U000e007f]")
# Joiners shape Arabic, Indic scripts and emoji; between Latin letters or Chinese characters they are left-overs.
_STRAY_JOINER: Final = re.compile("(?<=[\x00-\u05ff\u2e80-\u9fff])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\u05ff\u2e80-\u9fff])")
_LIGATURE: Final = re.compile("[\ufb00-\ufb06]")
_LIGATURES: Final = {
    "\ufb00": "ff",
    "\ufb01": "fi",
    "\ufb02": "fl",
    "\ufb03": "ffi",
    "\ufb04": "ffl",
    "\ufb05": "st",
    "\ufb06": "st",
}
_LINE_ENDS: Final = re.compile("\r\n?|[\u0085\u2028\u2029\x0b\x0c]")
_SPACES: Final = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
_LONGEST_MARK_RUN: Final = 30
"""Unicode's Stream-Safe Text Format; normalising a longer run takes quadratic time."""
_CJK: Final = "\u2e80-\u303f\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff60"
_WRAPPED_CJK: Final = re.compile(f"(?<=[{_CJK}])[ \\t]*\\n[ \\t]*(?=[{_CJK}])")


def mended(text: str) -> str:
    """Without invisible characters, in composed form (NFC), with plain spaces and `\\n`, ligatures as letters."""
    if text.isascii():
        if text.isprintable():  # nearly every cell and line: no pattern needs to look
            return text
        return storable(_LINE_ENDS.sub("\n", text))
    text = _LINE_ENDS.sub("\n", text)
    text = _INVISIBLE.sub("", text)
    text = _STRAY_JOINER.sub("", text)
    text = _LIGATURE.sub(lambda match: _LIGATURES[match[0]], text)
    return storable(_composed(_SPACES.sub(" ", text)))


def one_line(text: str) -> str:
    """White space collapsed as a browser does; a break between two Chinese or Japanese characters leaves no space."""
    if "\n" in text:
        text = _WRAPPED_CJK.sub("", text)
    return " ".join(text.split())


def _composed(text: str) -> str:
    if unicodedata.is_normalized("NFC", text):
        return text
    return "\n".join(line if _has_long_run(line) else unicodedata.normalize("NFC", line) for line in text.split("\n"))


def _has_long_run(line: str) -> bool:
    run = 0
    for character in line:
        run = run + 1 if unicodedata.combining(character) else 0
        if run > _LONGEST_MARK_RUN:
            return True
    return False
