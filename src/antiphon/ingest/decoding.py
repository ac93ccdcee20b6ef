"""Bytes -> text: byte order marks, UTF-8, then the legacy Chinese encodings. Never raises. Tests: tests/unit/ingest/test_decoding.py."""

from __future__ import annotations

import codecs
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES: Final = 65_536
# Among the 3,755 characters of GB 2312's first level and 5,401 of Big5's, the ones every text is full of.
_EVERYDAY: Final = frozenset(
    "的一是不了在人有我他這这個个们們中來来上大為为和國国地到以說说時时要就出會会可也你對对生能而子那得于於着下自之年過过發发後后作里用道行所然家種种事成方多經经么麼去法學学如都同現现當当没沒動动面起看定天分還还進进好小部其些主樣样理心她本前開开但因只從从想實实"
)


def decode(content: bytes) -> str:
    """The text of the bytes, with line ends as `\\n`. Bytes that fit no encoding become U+FFFD."""
    return _decode(content).replace("\r\n", "\n").replace("\r", "\n")


def _decode(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
        # a good text with a few broken bytes stays UTF-8; other encodings give nearly nothing but broken ones
        if sum(character > "\x7f" for character in text[:_SAMPLE_BYTES]) > 5 * max(1, text.count("\ufffd", 0, _SAMPLE_BYTES)):
            return text
    encoding = _legacy_encoding(content[:_SAMPLE_BYTES])
    return content.decode(encoding, "replace")


def _legacy_encoding(sample: bytes) -> str:
    """GB 18030 and Big5 decode each other's bytes to rare characters: the reading with more everyday ones is right."""
    best, best_score = "windows-1252", 0.0
    for encoding in ("gb18030", "big5hkscs"):
        text = sample.decode(encoding, "replace")
        han = sum("\u4e00" <= c <= "\u9fff" for c in text)
        if not han or text.count("\ufffd") > len(text) // 50:
            continue
        score = sum(c in _EVERYDAY for c in text) / han
        if score > best_score and score > 0.02:
            best, best_score = encoding, score
    return best
