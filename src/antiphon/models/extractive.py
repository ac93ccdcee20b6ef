"""`ExtractiveChat`: answers without a model, with literal sentences of the passages, each followed by its mark `[n]`.

Made by registry.py; the id is `extractive` and it always exists. It never says a word of its own except the refusal.
Subsystem: docs/subsystems/models.md. Tests: tests/unit/models/test_extractive.py, tests/conformance/test_chat_model.py.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from antiphon.core.runtime import Runtime
from antiphon.models.chat import ChatRequest, ChatResult, Evidence, OnDelta, TextDelta
from antiphon.models.quotation import QuotedText
from antiphon.models.sentences import split_sentences

EXTRACTIVE_MODEL: Final = "extractive"
MOST_SENTENCES: Final = 6
REFUSALS: Final = {
    "en": "Nothing in these documents says anything about this.",
    "zh": "这些文档里没有提到相关的内容。",
}

_FLOOR: Final = 0.45  # a sentence below this share of the best one's score says something else
_CONTEXT_WEIGHT: Final = 0.25  # of the question's terms that stand in the title or elsewhere in the passage only
_RANK_WEIGHT: Final = 0.15  # how much the retriever's order counts: it saw the whole corpus
_LEAD_WEIGHT: Final = 0.4  # a question, a heading, or what only repeats the question is seldom the answer
_AFTER_LEAD: Final = 0.6  # ... the sentence after it often is
_LONG_CHARACTERS: Final = 400  # a sentence of this length needs twice the overlap
_ENDS: Final = frozenset(".!。！；;…")
_HEADING_CHARACTERS: Final = 60
_PIECE: Final = re.compile(r"\s*(?:[\u3040-\u9fff]{1,4}|[^\s\u3040-\u9fff]{1,40})[^\w\s]*\s*|\s+")
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|[^\W_]+", re.UNICODE)
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_LETTER: Final = re.compile(r"[A-Za-zÀ-ɏ\u0370-\u052f]+")
_STOP_WORDS: Final = frozenset(
    re.findall(
        r"\S+",
        "a an the of to in on at by for from with and or but not is are was were be been being am do does did has have "
        "had can could will would shall should may might must this that these those it its he she they we you i me my "
        "our your their his her what which who whom whose when where why how many much there here as if then than so "
        "about into over per any all some please tell say says said give explain describe document documents",
    )
)
_STOP_CHARACTERS: Final = frozenset(
    "的了吗呢吧啊是在有和与或及我你他她它们这那哪几么什怎谁多少为请问个被把就都也很要会能可以吗对于中之其该"
)


class Candidate(Struct, frozen=True, kw_only=True, gc=False):
    """One sentence that could be said. `place` is where it stands within its passage."""

    evidence: int
    place: int
    text: str
    score: float
    same_language: bool
    lead: bool


class ExtractiveChat:
    """See `ChatModel`. Deterministic; needs `request.question` and `request.evidence`, the messages are not read."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def steerable(self) -> bool:
        return False

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        """A few words at a time, giving way to other tasks between the pieces."""
        await self._runtime.scheduler.sleep(0)
        language = request.language or question_language(request.question)
        for part in answer_parts(request.question, request.evidence, language):
            for piece in _pieces(part):
                on_delta(TextDelta(QuotedText(piece) if isinstance(part, QuotedText) else piece))
                await self._runtime.scheduler.sleep(0)
        return ChatResult(finish_reason="stop")


def extract_answer(question: str, evidence: Sequence[Evidence], language: str) -> str:
    """The whole answer. `language`: `zh` or `en`, for the refusal and for which sentences are preferred."""
    return "".join(answer_parts(question, evidence, language))


def answer_parts(question: str, evidence: Sequence[Evidence], language: str) -> list[str]:
    """What joins to `extract_answer`: each sentence as a `QuotedText`, what stands between them (marks, spaces) as plain ones."""
    chosen = choose_sentences(question, evidence, language)
    if not chosen:
        return [REFUSALS.get(language[:2].lower(), REFUSALS["en"])]
    parts: list[str] = []
    last_key: str | None = None
    for candidate in chosen:
        source = evidence[candidate.evidence]
        if last_key is not None:
            parts.append(" " if source.key == last_key else "\n\n")
        parts += [QuotedText(candidate.text), f" [{source.n}]"]
        last_key = source.key
    return parts


def choose_sentences(question: str, evidence: Sequence[Evidence], language: str) -> list[Candidate]:
    """At most six, the question's language first when there is a choice; then grouped by document, the one with the most preferred
    sentence first, in reading order within it. Empty when no sentence shares a term with the question."""
    asked = question_terms(question)
    if not asked or not evidence:
        return []
    best = sorted(_candidates(asked, evidence, language, text_terms), key=_preference)
    if not best:
        # No pair of characters occurs: 年假 is asked, and the text says 年休假.
        single = frozenset(character for character in _CJK.findall(question) if character not in _STOP_CHARACTERS)
        best = sorted(_candidates(single, evidence, language, _CJK.findall), key=_preference)
    if not best:
        return []
    floor = _FLOOR * max(candidate.score for candidate in best)
    chosen: list[Candidate] = []
    said: set[str] = set()
    for candidate in best:
        folded = " ".join(candidate.text.split()).casefold()
        if candidate.score >= floor and folded not in said:
            said.add(folded)
            chosen.append(candidate)
        if len(chosen) == MOST_SENTENCES:
            break
    # A heading is said only where nothing but headings holds the words of the question.
    spoken = [candidate for candidate in chosen if not candidate.lead] or chosen
    return _in_reading_order(spoken, evidence)


def question_terms(question: str) -> frozenset[str]:
    """The question's terms without what every question holds; with it, when nothing else is there."""
    terms = frozenset(text_terms(question))
    return frozenset(term for term in terms if not _is_stop(term)) or terms


def text_terms(text: str) -> Iterator[str]:
    """Latin words lower-cased with plain endings cut off, CJK runs as bigrams (a run of one as itself)."""
    for match in _WORD.finditer(text):
        word = match.group()
        if _CJK.match(word) is None:
            yield _stem(word.casefold())
        elif len(word) == 1:
            yield word
        else:
            for start in range(len(word) - 1):
                yield word[start : start + 2]


def question_language(text: str) -> str:
    """`zh` when there is more Chinese than Latin in it (one character weighs about one word), else `en`."""
    characters = len(_CJK.findall(text))
    return "zh" if characters and characters >= len(_LETTER.findall(text)) else "en"


def _candidates(
    asked: frozenset[str], evidence: Sequence[Evidence], language: str, terms_of: Callable[[str], Iterable[str]]
) -> Iterator[Candidate]:
    split = [[passage.text[start:end] for start, end in split_sentences(passage.text)] for passage in evidence]
    found = [[asked.intersection(terms_of(sentence)) for sentence in sentences] for sentences in split]
    weights = _idf(asked, (terms for passage in found for terms in passage))
    wanted_zh = language[:2].lower() == "zh"
    for rank, passage in enumerate(evidence):
        around = frozenset[str]().union(*found[rank], asked.intersection(terms_of(passage.title)))
        prior = 1.0 + _RANK_WEIGHT / (rank + 1)
        after_lead = 0.0
        for place, sentence in enumerate(split[rank]):
            here = found[rank][place]
            own = sum(weights[term] for term in sorted(here))
            context = _CONTEXT_WEIGHT * sum(weights[term] for term in sorted(around - here))
            score = (own + context) / (1.0 + len(sentence) / _LONG_CHARACTERS) * prior if own else 0.0
            lead = _leads(sentence, asked)
            if lead:
                score, after_lead = score * _LEAD_WEIGHT, score * _AFTER_LEAD
            else:
                score, after_lead = max(score, after_lead), 0.0
            if score > 0.0:
                same = (question_language(sentence) == "zh") == wanted_zh
                yield Candidate(evidence=rank, place=place, text=sentence, score=score, same_language=same, lead=lead)


def _preference(candidate: Candidate) -> tuple[bool, float, int, int]:
    return (not candidate.same_language, -candidate.score, candidate.evidence, candidate.place)


def _in_reading_order(chosen: list[Candidate], evidence: Sequence[Evidence]) -> list[Candidate]:
    best_of: dict[str, tuple[bool, float]] = {}
    for candidate in chosen:
        key = evidence[candidate.evidence].key
        best_of[key] = min(best_of.get(key, (True, 0.0)), (not candidate.same_language, -candidate.score))

    def position(candidate: Candidate) -> tuple[tuple[bool, float], str, tuple[int, int], int, int]:
        source = evidence[candidate.evidence]
        return (best_of[source.key], source.key, source.order, candidate.evidence, candidate.place)

    return sorted(chosen, key=position)


def _idf(asked: frozenset[str], sentences: Iterable[frozenset[str]]) -> dict[str, float]:
    seen: Counter[str] = Counter()
    total = 0
    for terms in sentences:
        total += 1
        seen.update(terms)
    return {term: math.log(1.0 + (total + 1.0) / (seen[term] + 0.5)) for term in sorted(asked)}


def _is_stop(term: str) -> bool:
    return term in _STOP_WORDS or all(character in _STOP_CHARACTERS for character in term)


def _stem(word: str) -> str:
    """Plural, past and progressive endings off: enough to join `days` and `day`, never to show."""
    if not word.isascii():
        return word
    if not word.endswith("ss"):
        for ending, kept in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
            if word.endswith(ending) and len(word) - len(ending) >= 3:
                word = word[: -len(ending)] + kept
                break
    return word.removesuffix("e") if len(word) > 3 else word


def _leads(sentence: str, asked: frozenset[str]) -> bool:
    """A heading (marked, or a short line without an end), a question, or a line that only repeats the question."""
    end = sentence.rstrip("\"'”’」』）)")[-1:]
    if sentence.startswith("#") or end in {"?", "？"}:
        return True
    if end not in _ENDS and len(sentence) <= _HEADING_CHARACTERS and not {":", "："} & set(sentence):
        return True
    return all(term in asked or _is_stop(term) for term in text_terms(sentence))


def _pieces(answer: str) -> Iterator[str]:
    """Cuts that join to `answer` exactly: words with their space, CJK in fours."""
    for match in _PIECE.finditer(answer):
        yield match.group()
