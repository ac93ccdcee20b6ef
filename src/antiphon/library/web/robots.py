"""robots.txt (RFC 9309): what a site asks programs not to fetch, how slowly, and where its sitemaps are.

Pure; the longest rule that fits wins, `*` and `$` as the standard has them, matched without regular expressions, so that no rule
costs more than its length. Tests: tests/unit/library/test_robots.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from antiphon.outgoing.url import WebUrl

PRODUCT: Final = "antiphon"
"""The name that a site's rules for us begin with."""
LARGEST_BYTES: Final = 500 * 1024
LONGEST_DELAY_S: Final = 30.0
_MOST_RULES: Final = 2000
_MOST_SITEMAPS: Final = 50


@dataclass(slots=True)
class _Group:
    agents: list[str] = field(default_factory=list[str])
    rules: list[tuple[bool, str]] = field(default_factory=list[tuple[bool, str]])
    delay_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Robots:
    """`rules`: (allowed, pattern). `sitemaps`: as they are written."""

    rules: tuple[tuple[bool, str], ...] = ()
    delay_s: float = 0.0
    sitemaps: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Robots:
        groups, sitemaps = _groups(text)
        mine = [group for group in groups if PRODUCT in group.agents] or [group for group in groups if "*" in group.agents]
        delays = [group.delay_s for group in mine if group.delay_s is not None]
        return cls(
            rules=tuple(rule for group in mine for rule in group.rules), delay_s=min(max(delays, default=0.0), LONGEST_DELAY_S),
            sitemaps=tuple(sitemaps),
        )  # fmt: skip

    def allows(self, url: WebUrl) -> bool:
        if url.target == "/robots.txt":
            return True
        best, allowed = -1, True
        for permitted, pattern in self.rules:
            if (len(pattern) > best or (len(pattern) == best and permitted)) and _fits(pattern, url.target):
                best, allowed = len(pattern), permitted
        return allowed


def _groups(text: str) -> tuple[list[_Group], list[str]]:
    groups: list[_Group] = []
    sitemaps: list[str] = []
    naming = False
    count = 0
    for line in text.lstrip("\ufeff").splitlines():
        name, colon, value = line.partition("#")[0].partition(":")
        key, value = name.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "sitemap" and len(sitemaps) < _MOST_SITEMAPS:
            sitemaps.append(value)
        elif key == "user-agent":
            if not naming:
                groups.append(_Group())
            groups[-1].agents.append(value.lower().partition("/")[0].strip())
            naming = True
        elif groups and key in {"allow", "disallow", "crawl-delay"}:
            naming = False
            count += 1
            if count <= _MOST_RULES:
                _add(groups[-1], key, value)
    return groups, sitemaps


def _add(group: _Group, key: str, value: str) -> None:
    if key == "crawl-delay":
        try:
            group.delay_s = max(float(value), 0.0)
        except ValueError:
            return
    elif value:
        group.rules.append((key == "allow", _spelled(value)))


def _spelled(pattern: str) -> str:
    """Percent-encoded as paths are."""
    return "".join(character if character.isascii() else _escaped(character) for character in pattern)


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))


def _fits(pattern: str, target: str) -> bool:
    """Whether the pattern fits the beginning of the target, or all of it when it ends with `$`."""
    anchored = pattern.endswith("$")
    first, *others = (pattern[:-1] if anchored else pattern).split("*")
    if not target.startswith(first):
        return False
    position = len(first)
    for index, part in enumerate(others):
        if anchored and index == len(others) - 1:
            return len(target) - len(part) >= position and target.endswith(part)
        found = target.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return not anchored or position == len(target)
