"""Bytes -> text in whatever encoding. Never raises.

Order: byte order mark, NUL pattern (UTF-16/32 without a mark), 7-bit escapes, UTF-8, a declared label that fits, then the
reading with the most everyday characters (Chinese, Japanese, Korean), the one that fits a Latin alphabet, or the script
that charset-normalizer finds. Tests: tests/unit/ingest/test_decoding.py; figures of confusion: docs/formats.md.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from typing import Final

from antiphon.ingest.everyday_characters import HANGUL, SIMPLIFIED, TRADITIONAL

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES: Final = 65_536
_HIGH: Final = re.compile(rb"[\x80-\xff]")
_HIGH_RUN: Final = re.compile(rb"[\x80-\xff]+")
_HIGH_LINE: Final = re.compile(rb"[^\n]{0,2000}[\x80-\xff][^\n]{0,2000}")
_HZ: Final = re.compile(rb"~\{(?:[!-w][!-~]){1,200}~\}")
_TEXT_CONTROLS: Final = frozenset(b"\t\n\r\x0c\x1b\x08")

# What pages and mails call an encoding (Encoding Standard, WHATWG) -> the codec of that name's superset in practice.
_LABELS: Final[dict[str, str]] = {
    **dict.fromkeys(("utf-8", "utf8", "unicode-1-1-utf-8", "us-ascii-utf8"), "utf-8"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "gb_2312-80", "cp936", "x-gbk", "csgb2312", "euc-cn", "chinese"), "gb18030"),
    **dict.fromkeys(("hz", "hz-gb-2312"), "hz"),
    **dict.fromkeys(("big5", "big5-hkscs", "cp950", "cn-big5", "x-x-big5", "csbig5", "big5hkscs"), "big5hkscs"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms932", "cp932", "ms_kanji"), "cp932"),
    **dict.fromkeys(("euc-jp", "x-euc-jp", "eucjp"), "euc_jp"),
    **dict.fromkeys(("iso-2022-jp", "csiso2022jp"), "iso2022_jp"),
    **dict.fromkeys(("iso-2022-kr",), "iso2022_kr"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "korean", "windows-949", "cp949", "ksc5601", "uhc"), "cp949"),
    **dict.fromkeys(("iso-8859-1", "latin1", "l1", "windows-1252", "cp1252", "us-ascii", "ascii", "x-cp1252"), "windows-1252"),
    **dict.fromkeys(("iso-8859-9", "latin5", "windows-1254", "cp1254"), "windows-1254"),
    **dict.fromkeys(("iso-8859-11", "tis-620", "windows-874", "cp874"), "cp874"),
    **{f"iso-8859-{number}": f"iso8859_{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **{f"iso8859-{number}": f"iso8859_{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    "iso-8859-8-i": "iso8859_8",
    **{f"{prefix}125{digit}": f"cp125{digit}" for prefix in ("windows-", "cp", "x-cp") for digit in (0, 1, 3, 5, 6, 7, 8)},
    **{name: name.replace("-", "_") for name in ("koi8-r", "koi8-u")},
    "ibm866": "cp866", "cp866": "cp866", "cp437": "cp437", "ibm437": "cp437", "cp850": "cp850", "ibm850": "cp850",
    "macintosh": "mac_roman", "x-mac-cyrillic": "mac_cyrillic",
    "utf-16": "utf-16-le", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be", "utf-32le": "utf-32-le", "utf-32be": "utf-32-be",
}  # fmt: skip

# Letters beyond ASCII of languages in Latin script. A text's own must nearly all be in one alphabet.
_ALPHABETS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("windows-1252",), "éèàçêâîôûùëïœæÿ"),
    (("windows-1252",), "äöüß"),
    (("windows-1252",), "áéíóúñü¿¡ªº"),
    (("windows-1252",), "ãõáéíóúâêôàçü"),
    (("windows-1252",), "àèéìòùî"),
    (("windows-1252",), "æøåéäöóü"),
    (("windows-1252",), "áðéíóúýþæö"),
    (("windows-1252",), "éëïóöüèáà"),
    (("cp1250", "iso8859_2"), "ąćęłńóśźż"),
    (("cp1250", "iso8859_2"), "áčďéěíňóřšťúůýžľĺŕôä"),
    (("cp1250", "iso8859_2"), "áéíóöőúüű"),
    (("cp1250", "iso8859_2"), "čćžšđ"),
    (("cp1250", "iso8859_16"), "ăâîşţșț"),
    (("windows-1254",), "çğıöşüâîİ"),
    (("cp1257",), "āčēģīķļņšūžōŗ"),
    (("cp1257",), "ąčęėįšųūž"),
    (("cp1257", "windows-1252"), "äöõüšž"),
)
_NEUTRAL: Final = frozenset("“”‘’„‚«»‹›–—…€£¥§©®™°·•×÷±\xa0\xad²³½¼¾µ¶†‡ªº¿¡´`")
_OTHER_SCRIPTS: Final = [
    "cp1251", "koi8_r", "koi8_u", "iso8859_5", "cp866", "cp1253", "iso8859_7", "cp1255", "iso8859_8", "cp1256", "iso8859_6", "cp874",
]  # fmt: skip
_CHINESE: Final = ("gb18030", "big5hkscs")
_EAST_ASIAN: Final = (*_CHINESE, "cp932", "euc_jp", "cp949")
_LEAST_EAST_ASIAN_SCORE: Final = 0.2
_MOST_BROKEN_SHARE: Final = 0.02
_LEAST_WIDE_SHARE: Final = 0.6
_LEAST_HEBREW_LETTERS: Final = 20
_LEAST_CUT_BYTES: Final = 1000
"""A shorter sample of an odd length is no piece cut from UTF-16, but something else."""


def decode(content: bytes, declared: str | None = None) -> str:
    """The text of the bytes, with line ends as `\\n`. `declared`: a charset label found in or beside the content; it is
    believed when the bytes fit it. Bytes that fit no encoding become U+FFFD."""
    encoding, skipped = _encoding(content, declared)
    text = content[skipped:].decode(encoding, "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(content: bytes, declared: str | None = None) -> str:
    """The Python codec `decode` would use."""
    return _encoding(content, declared)[0]


def codec_of_label(label: str) -> str | None:
    """The codec for a declared name; None for unknown ones and for everything that is not a character encoding."""
    return _LABELS.get(label.strip().strip("\"'").lower())


def is_text(head: bytes) -> bool:
    """Whether a file that begins with these bytes can be text in any encoding `decode` knows."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return _readable_share(head[len(mark) :], encoding) > _LEAST_WIDE_SHARE
    if b"\x00" in head:
        return _wide_encoding(head) is not None
    controls = sum(byte < 32 and byte not in _TEXT_CONTROLS for byte in head)
    if controls <= len(head) // 50 or b"\x1b$)C" in head:  # Korean in seven bits shifts with control characters
        return True
    return _wide_without_zeros(head) is not None


def _encoding(content: bytes, declared: str | None) -> tuple[str, int]:
    """(codec, bytes of the mark to leave out)"""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding, len(mark)
    if b"\x00" in content[:_SAMPLE_BYTES]:
        wide = _wide_encoding(content[:_SAMPLE_BYTES])
        if wide is not None:
            return wide, 0
    if _HIGH.search(content) is None:
        return _seven_bit(content), 0
    label = None if declared is None else codec_of_label(declared)
    if label != "utf-8" and label is not None and not label.startswith("utf") and _fits(content, label):
        # a page that says Latin-1 and is valid UTF-8 is UTF-8: the reverse can't happen by chance
        return ("utf-8" if _valid_utf8(content) else label), 0
    if _is_utf8(content):
        return "utf-8", 0
    if len(content) % 2 == 0:
        wide = _wide_without_zeros(content[:_SAMPLE_BYTES])
        if wide is not None:
            return wide, 0
    return _legacy_encoding(_telling(content)), 0


def _seven_bit(content: bytes) -> str:
    sample = content[: 4 * _SAMPLE_BYTES]
    if b"\x1b$B" in sample or b"\x1b$@" in sample:
        return "iso2022_jp_2"
    if b"\x1b$)C" in sample:
        return "iso2022_kr"
    pairs = _HZ.findall(sample)
    if pairs and sum(map(len, pairs)) > 8:
        text = sample.decode("hz", "replace")
        if _east_asian_score(text, "gb18030") > _LEAST_EAST_ASIAN_SCORE:
            return "hz"
    return "utf-8"


def _valid_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_utf8(content: bytes) -> bool:
    """Valid, or a good text with a few broken bytes: other encodings give nearly nothing but broken ones."""
    if _valid_utf8(content):
        return True
    text = _telling(content).decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return sum(character > "\x7f" for character in text) - broken > 5 * max(1, broken)


def _fits(content: bytes, encoding: str) -> bool:
    text = _telling(content).decode(encoding, "replace")
    if sum(character > "\x7f" for character in text) * _MOST_BROKEN_SHARE < text.count("\ufffd") - 1:
        return False
    return encoding not in _EAST_ASIAN or _east_asian_score(text, encoding) > -0.5


def _telling(content: bytes) -> bytes:
    """The pieces of lines around bytes beyond ASCII, up to the size of a sample: the rest tells nothing."""
    pieces: list[bytes] = []
    size = 0
    for match in _HIGH_LINE.finditer(content[: 64 * _SAMPLE_BYTES]):
        pieces.append(match[0])
        size += len(match[0])
        if size > _SAMPLE_BYTES:
            break
    return b"\n".join(pieces) or content[:_SAMPLE_BYTES]


def _wide_encoding(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, told by where the zero bytes stand; None when the bytes are no such text."""
    if len(sample) % 2 and len(sample) < _LEAST_CUT_BYTES:
        return None
    found = [(_readable_share(sample, encoding), encoding) for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")]
    share, encoding = max(found, key=lambda item: item[0])
    return encoding if share > _LEAST_WIDE_SHARE else None


def _wide_without_zeros(sample: bytes) -> str | None:
    """Chinese and Japanese in UTF-16 without a mark and without a single ASCII character."""
    for encoding in ("utf-16-le", "utf-16-be"):
        text = sample[: len(sample) // 2 * 2].decode(encoding, "replace")
        if _readable_share(sample, encoding) > _LEAST_WIDE_SHARE and sum(_is_everyday(c) for c in text) > len(text) / 3:
            return encoding
    return None


def _readable_share(sample: bytes, encoding: str) -> float:
    """Of the characters: ASCII text, alphabets, everyday Chinese and Korean; rare ones count little, for two bytes taken at
    random make such a one. 1.0 for nothing."""
    text = sample.decode(encoding, "replace")
    text = text.removesuffix("\ufffd")  # the sample's end cut a character in two
    if not text:
        return 1.0 if len(sample) < 2 else 0.0
    good = 0.0
    for character, count in Counter(text).items():
        if character in "\t\n\r\x0c" or " " <= character <= "~":
            good += count
        elif _is_everyday(character):
            good += 0.99 * count  # a little less: ASCII read with the wrong byte order is Chinese
        elif "\u4e00" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3":
            good += 0.3 * count
        elif _is_written(character):
            good += 0.96 * count
    return good / len(text)


def _is_everyday(character: str) -> bool:
    return character in _BOTH or character in HANGUL or "\u3041" <= character <= "\u30ff"


def _is_written(character: str) -> bool:
    return (
        "\xa0" <= character <= "\u024f" or "\u0370" <= character <= "\u07ff" or "\u0900" <= character <= "\u0eff"
        or "\u2010" <= character <= "\u2044" or "\u3000" <= character <= "\u3040"
        or "\uff00" <= character <= "\uffef" or "\u1e00" <= character <= "\u1fff"
        or character in "€™\ufeff" or "\U0001f300" <= character <= "\U0001faff"
    )  # fmt: skip


def _legacy_encoding(sample: bytes) -> str:
    if _isolated_share(sample) > 0.6:  # accents stand between ASCII letters; no East Asian text looks so
        latin = _latin_encoding(sample)
        if latin is not None:
            return latin
    scored: list[tuple[float, str]] = []
    for encoding in _EAST_ASIAN:
        text = sample.decode(encoding, "replace")
        scored.append((_east_asian_score(text, encoding), encoding))
    score, best = max(scored)
    if score > _LEAST_EAST_ASIAN_SCORE:
        return best
    latin = _latin_encoding(sample)
    if latin is not None:
        return latin
    return _other_script(sample) or (best if score > 0 else "windows-1252")


def _isolated_share(sample: bytes) -> float:
    """Of the bytes beyond ASCII, those without one beside them."""
    runs = [len(run) for run in _HIGH_RUN.findall(sample)]
    return runs.count(1) / sum(runs) if runs else 0.0


def _east_asian_score(text: str, encoding: str) -> float:
    """Mean over the characters beyond ASCII: everyday ones count 1, rare ones less than nothing."""
    total = score = 0.0
    for character, count in Counter(text).items():
        if character > "\x7f":
            total += count
            score += count * _weight(character, encoding)
    return score / total if total else 0.0


def _weight(character: str, encoding: str) -> float:
    if character in "，。、「」『』（）：；？！“”‘’《》…—　・ー〜":
        return 0.3
    if "\u4e00" <= character <= "\u9fff":
        if encoding in _CHINESE:
            return 1.0 if character in (TRADITIONAL if encoding == "big5hkscs" else _BOTH) else -0.1
        return -0.3 if encoding == "cp949" else 0.2
    if "\u3041" <= character <= "\u30ff":
        return 1.0 if encoding in {"cp932", "euc_jp"} else -0.3
    if "\uac00" <= character <= "\ud7a3":
        return (1.0 if character in HANGUL else 0.3) if encoding == "cp949" else -0.3
    if character == "\ufffd":
        return -3.0
    if "\uff01" <= character <= "\uff5e" or "\u2010" <= character <= "\u2044":
        return 0.1
    return -1.0


_BOTH: Final = SIMPLIFIED | TRADITIONAL


def _latin_encoding(sample: bytes) -> str | None:
    best, best_share = None, 0.9
    for encodings, letters in _ALPHABETS:
        alphabet = frozenset(letters + letters.upper())
        for encoding in encodings:
            counts = Counter(character for character in sample.decode(encoding, "replace") if character > "\x7f")
            share = sum(
                count * (1.0 if character in alphabet else 0.95 if character in _NEUTRAL else 0.0)
                for character, count in counts.items()
            ) / max(1, counts.total())
            if share > best_share:
                best, best_share = encoding, share
    return best


def _other_script(sample: bytes) -> str | None:
    letters = [byte for byte in sample if byte > 0xBF]
    if len(letters) >= _LEAST_HEBREW_LETTERS and all(0xE0 <= byte <= 0xFA for byte in letters):
        return "cp1255"  # read as Cyrillic it would be a text all in one case, without the last letters of that alphabet
    # imported here: it costs 40 ms and most files never need it
    from charset_normalizer import from_bytes

    found = from_bytes(sample[:8192], cp_isolation=_OTHER_SCRIPTS).best()
    return None if found is None else found.encoding
