"""A spreadsheet's stored number -> the text a person sees. Dates, times, percentages, decimals, thousands, signs around them.

Pure; for xlsx.py. Where the form depends on the reader's country, dates are written as 2024-03-01. Colours, conditions and
fractions are not followed. Tests: tests/unit/ingest/office/test_number_formats.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

BUILT_IN: Final[Mapping[int, str]] = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm",
    21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 27: "yyyy-mm-dd", 28: "yyyy-mm-dd", 29: "yyyy-mm-dd", 30: "yyyy-mm-dd",
    31: 'yyyy"年"m"月"d"日"', 32: "h:mm", 33: "h:mm:ss", 34: "h:mm", 35: "h:mm:ss", 36: "yyyy-mm-dd", 37: "#,##0",
    38: "#,##0", 39: "#,##0.00", 40: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss", 48: "0.0E+0", 49: "@",
    50: "yyyy-mm-dd", 51: "yyyy-mm-dd", 52: "yyyy-mm-dd", 53: "yyyy-mm-dd", 54: "yyyy-mm-dd", 57: "yyyy-mm-dd",
    58: "yyyy-mm-dd",
}  # fmt: skip
_TOKEN: Final = re.compile(
    r"\"([^\"]*)\"?|\\(.)|_.|\*.|\[([^\]]*)\]|(General)|(AM/PM|A/P|上午/下午)|([0#?.,%]|E[+-])|(y+|m+|d+|h+|s+|e+|aaa+)|(.)",
    re.IGNORECASE | re.DOTALL,
)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EPOCHS: Final = {False: datetime(1899, 12, 30), True: datetime(1904, 1, 1)}  # noqa: DTZ001 - sheets know no time zone
_LATEST: Final = 2_958_466
"""The day after 9999-12-31."""
_LONGEST_FORMAT: Final = 300
_ALWAYS_SIGN: Final = re.compile(r"\[\$([^\]-]*)(?:-[^\]]*)?\]")

_Token = tuple[str, str]


def shown(value: float, code: str, *, from_1904: bool = False) -> str:
    """The number in the format `code` ("" or "General": as it is)."""
    sections = _sections(code)
    negative = value < 0 and len(sections) > 1
    section = sections[1] if negative else sections[2] if value == 0 and len(sections) > 2 else sections[0]
    kinds = {kind for kind, _ in section}
    if "date" in kinds or "elapsed" in kinds:
        return _moment(value, section, from_1904=from_1904)
    if "digit" not in kinds:
        literal = "".join(text for kind, text in section if kind == "literal").strip()
        return general(value) if not literal or "general" in kinds else literal
    return _number(abs(value) if negative else value, section)


@lru_cache(maxsize=512)
def _sections(code: str) -> list[list[_Token]]:
    code = _ALWAYS_SIGN.sub(lambda match: f'"{match[1]}"', code[:_LONGEST_FORMAT])
    sections: list[list[_Token]] = [[]]
    for match in _TOKEN.finditer(code):
        quoted, escaped, bracket, general_word, half, digit, date, other = match.groups()
        section = sections[-1]
        if other == ";":
            sections.append([])
        elif quoted is not None or escaped is not None:
            section.append(("literal", quoted if quoted is not None else escaped))
        elif bracket is not None:
            if bracket and set(bracket.lower()) <= set("hms"):
                section.append(("elapsed", bracket.lower()))
        elif half:
            section.append(("date", "half"))
        elif date:
            section.append(("date", date.lower()))
        elif digit:
            section.append(("digit", digit.upper()))
        elif general_word:
            section.append(("general", ""))
        elif other is not None:
            section.append(("literal", other))
    return sections


def general(value: float) -> str:
    """As a cell without a format shows it: up to 11 significant digits, no exponent where that can be avoided."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.11g}"
    return text if "e" in text else text.rstrip("0").rstrip(".") if "." in text else text


def _number(value: float, section: list[_Token]) -> str:
    digits = "".join(text for kind, text in section if kind == "digit")
    before, _, after = digits.partition(".")
    if "?/" in "".join(text for _, text in section) or "E" in digits:
        return general(value)
    percent = digits.count("%")
    value *= 100**percent
    scaled = len(before) - len(before.rstrip(","))
    value /= 1000**scaled
    places = min(15, sum(character in "0#?" for character in after))
    fixed = min(places, sum(character in "0?" for character in after))
    text = f"{value:{',' if ',' in before.rstrip(',') else ''}.{places}f}"
    if places > fixed and "." in text:
        whole, _, decimals = text.partition(".")
        decimals = decimals[:fixed] + decimals[fixed:].rstrip("0")
        text = f"{whole}.{decimals}" if decimals else whole
    least = before.count("0")
    if least > 1 and value >= 0:
        whole, dot, decimals = text.partition(".")
        text = whole.zfill(least) + dot + decimals
    prefix, suffix, seen = "", "", False
    for kind, sign in section:
        if kind == "digit" and sign != "%":
            seen = True
        elif kind == "literal":
            prefix, suffix = (prefix, suffix + sign) if seen else (prefix + sign, suffix)
    return f"{prefix.lstrip()}{text}{'%' * percent}{suffix.rstrip()}"


def _moment(value: float, section: list[_Token], *, from_1904: bool) -> str:
    if not 0 <= value < _LATEST:
        return general(value)
    seconds = round(value * 86_400)
    shift = 1 if not from_1904 and 0 < value < 60 else 0  # the calendar of spreadsheets has a 29 February 1900
    moment = _EPOCHS[from_1904] + timedelta(days=shift, seconds=seconds)
    halves = ("date", "half") in section
    out: list[str] = []
    for index, (kind, text) in enumerate(section):
        if kind == "literal" or text in {",", "."}:
            out.append(text)
        elif kind == "elapsed":
            out.append(_elapsed(seconds, text))
        elif kind == "date":
            out.append(_date_part(moment, text, minutes=text in {"m", "mm"} and _beside_time(section, index), halves=halves))
    return "".join(out).strip(" ,.")


def _elapsed(seconds: int, unit: str) -> str:
    amount = seconds // {"h": 3600, "m": 60, "s": 1}[unit[0]]
    return str(amount).zfill(len(unit))


def _beside_time(section: list[_Token], index: int) -> bool:
    """Whether an `m` means minutes: behind hours or before seconds."""
    parts = [(position, text) for position, (kind, text) in enumerate(section) if kind in {"date", "elapsed"} and text != "half"]
    at = next(place for place, (position, _) in enumerate(parts) if position == index)
    before = parts[at - 1][1] if at else ""
    after = parts[at + 1][1] if at + 1 < len(parts) else ""
    return before.startswith("h") or after.startswith("s")


def _date_part(moment: datetime, text: str, *, minutes: bool, halves: bool) -> str:
    hour = (moment.hour - 1) % 12 + 1 if halves else moment.hour
    if minutes:
        return f"{moment.minute:02}" if len(text) == 2 else str(moment.minute)
    match text[0]:
        case "y" | "e":
            return f"{moment.year % 100:02}" if text in {"y", "yy"} else str(moment.year)
        case "m":
            name = _MONTHS[moment.month - 1]
            return {1: str(moment.month), 2: f"{moment.month:02}", 3: name[:3], 5: name[0]}.get(len(text), name)
        case "d" | "a":
            name = _DAYS[moment.weekday()]
            if text[0] == "a":
                return ("星期" if len(text) > 3 else "") + "一二三四五六日"[moment.weekday()]
            return {1: str(moment.day), 2: f"{moment.day:02}", 3: name[:3]}.get(len(text), name)
        case "h":
            if text == "half":
                return "AM" if moment.hour < 12 else "PM"
            return str(hour).zfill(len(text[:2]))
        case "s":
            return str(moment.second).zfill(len(text[:2]))
        case _:
            return ""
