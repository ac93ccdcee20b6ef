"""Text -> tokens, for indexing (`index_tokens`) and for questions (`query_terms`). Pure; used by ingest and retrieve.

Recipe (docs/subsystems/retrieval.md): NFKC; traditional to simplified Chinese, one character to one; white space between
CJK characters dropped; Latin words without accents, lower-cased and stemmed; CJK runs as single characters and pairs when
indexed, as pairs only when asked. A change of what comes out needs a new TOKENISER_VERSION: chunks keep the tokens they
were indexed with. Tests: tests/unit/storage/test_tokens.py.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final, Protocol, cast

TOKENISER_VERSION: Final = "1"
LONGEST_WORD_CHARACTERS: Final = 64
MOST_QUERY_TERMS: Final = 256
"""Bounds what a pasted page of text costs as a question."""

COLUMN_SEPARATOR: Final = "\n"
"""Between the tokens of a chunk's text and those of its title and headings, in `Chunk.tokens`."""

# Han with extensions, iteration marks, kana, Hangul syllables: scripts written without spaces, or agglutinating.
_CJK: Final = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003134f"
_HAN_BLOCKS: Final = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, 0x2A6E0))
_SPACE_IN_CJK: Final = re.compile(rf"(?<=[{_CJK}])\s+(?=[{_CJK}])")
_PIECE: Final = re.compile(rf"[{_CJK}]+|\d+(?:[.,]\d+)*|[^\W\d_{_CJK}]+(?:['\u2019][^\W\d_{_CJK}]+)*|\d")
_THOUSANDS: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_IS_CJK: Final = re.compile(rf"[{_CJK}]")

# Words that ask, or only hold a sentence together: they say nothing about whether a passage holds the answer.
_FUNCTION_WORDS: Final = frozenset(
    """a about an and any are as at be been but by can could did do does doing for from give had has have he her his how i if in
    into is it its list many me might much must my name no not of on or our please shall she should so some tell than that the
    their them then there these they this those to us was we were what when where which who whom whose why will with would you
    your""".split()  # noqa: SIM905 - a list of words reads best as words
)
_FUNCTION_CHARACTERS: Final = frozenset("的了吗呢吧么哪谁怎是在有和与就也都而及或之其被把这那为请问")


class _Converter(Protocol):
    """opencc.OpenCC, which has no types."""

    def convert(self, text: str, /) -> str: ...


class _Stemmer(Protocol):
    """snowballstemmer's, which has no types."""

    def stemWord(self, word: str, /) -> str: ...  # noqa: N802 - its name


@cache
def _simplified() -> dict[int, int]:
    """Traditional -> simplified code points, one to one only, so that offsets stay."""
    from opencc import OpenCC  # pyright: ignore[reportUnknownVariableType] - untyped; loading its dictionaries takes 30 ms; programs that never tokenise skip it

    characters = [chr(code) for first, end in _HAN_BLOCKS for code in range(first, end)]
    converter = cast("_Converter", OpenCC("t2s"))
    converted = converter.convert("\n".join(characters)).split("\n")
    return {ord(old): ord(new) for old, new in zip(characters, converted, strict=True) if len(new) == 1 and new != old}


def warm_up() -> None:
    """Loads the conversion table now: for a process that forks later, so that its children share it."""
    _simplified()
    stem("warming")


def simplify(text: str) -> str:
    """The text with traditional Chinese characters replaced by simplified ones; the same length."""
    return text.translate(_simplified()) if _IS_CJK.search(text) else text


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of one Latin word: lower case, without accents. May be empty for a word of marks only."""
    from snowballstemmer.english_stemmer import EnglishStemmer  # see `_simplified`

    lowered = word.lower()
    if not lowered.isascii():
        bare = "".join(c for c in unicodedata.normalize("NFD", lowered) if not "\u0300" <= c <= "\u036f")
        lowered = unicodedata.normalize("NFC", bare).replace("\u2019", "'")
    if not lowered.isascii():
        return lowered.replace("'", "")[:LONGEST_WORD_CHARACTERS]
    stemmer = cast("_Stemmer", EnglishStemmer())
    return stemmer.stemWord(lowered[:LONGEST_WORD_CHARACTERS]).replace("'", "")


def _pieces(text: str) -> list[str]:
    normal = simplify(unicodedata.normalize("NFKC", text))
    return _PIECE.findall(_SPACE_IN_CJK.sub("", normal))


def _word_tokens(piece: str) -> list[str]:
    """Tokens of a piece without CJK characters. A number keeps no sign that the index would split at."""
    if piece[0].isdigit():
        if _THOUSANDS.fullmatch(piece):
            piece = piece.replace(",", "")
        return [digits[:LONGEST_WORD_CHARACTERS] for digits in re.split("[.,]", piece)]
    stemmed = stem(piece) if len(piece) <= LONGEST_WORD_CHARACTERS else stem(piece[:LONGEST_WORD_CHARACTERS])
    return [stemmed] if stemmed else []


def tokens(text: str) -> list[str]:
    """Every token of the text, in order, as indexed: of a CJK run each character, and each pair behind its first one."""
    found: list[str] = []
    for piece in _pieces(text):
        if _IS_CJK.match(piece):
            for left, right in pairwise(piece):
                found += (left, left + right)
            found.append(piece[-1])
        else:
            found += _word_tokens(piece)
    return found


def index_tokens(text: str, headline: str = "") -> str:
    """What `Chunk.tokens` holds: tokens of the text, a separator, tokens of title and headings."""
    return " ".join(tokens(text)) + COLUMN_SEPARATOR + " ".join(tokens(headline))


def query_terms(question: str) -> list[str]:
    """The distinct terms to look for, in order: CJK pairs (a single character only for a run of one), Latin stems."""
    found: dict[str, None] = {}
    for piece in _pieces(question):
        if len(found) >= MOST_QUERY_TERMS:
            break
        if not _IS_CJK.match(piece):
            found.update(dict.fromkeys(_word_tokens(piece)))
        elif len(piece) == 1:
            found[piece] = None
        else:
            found.update(dict.fromkeys(a + b for a, b in pairwise(piece)))
    return list(found)[:MOST_QUERY_TERMS]


@cache
def _function_stems() -> frozenset[str]:
    return frozenset(stem(word) for word in _FUNCTION_WORDS)


def content_terms(terms: list[str]) -> list[str]:
    """The terms that carry what is asked for; all of them when nothing but function words was asked."""
    chosen = [term for term in terms if term not in _function_stems() and not _FUNCTION_CHARACTERS.intersection(term)]
    return chosen or terms


def single_characters(terms: list[str]) -> list[str]:
    """The characters of the CJK pairs among the terms, without those every question holds: what is asked when no pair
    occurs (年假 in a text that says 年休假)."""
    pairs = [term for term in terms if len(term) == 2 and _IS_CJK.match(term)]
    characters = dict.fromkeys(character for pair in pairs for character in pair)
    return [character for character in characters if character not in _FUNCTION_CHARACTERS]
