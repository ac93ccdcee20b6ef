"""The extractive answerer, whatever the passages hold: literal, cited, bounded, in order, the question's language first."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from antiphon.models.chat import Evidence
from antiphon.models.extractive import MOST_SENTENCES, REFUSALS, answer_parts, choose_sentences, question_language
from antiphon.models.quotation import QuotedText

SENTENCES = st.sampled_from(
    [
        "Every employee has 25 days of annual leave.", "Leave is asked for in the portal [3].", "As shown in [1], leave ends in May.",
        "The canteen opens at 11.", "# Annual leave", "Who has leave?", "员工每年有二十五天年假。", "请假须在系统中提交【2】。",
        "食堂十一点开门。", "年假什么时候结束？", "Sick leave is paid\nfor 30 days.", "leave leave leave", "[1] [2]", "🙂 annual 年假",
    ]
)  # fmt: skip
TEXTS = st.lists(st.one_of(SENTENCES, st.text("leave年假 .。[]123\n", max_size=12)), min_size=1, max_size=8).map(" ".join)
PASSAGES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), TEXTS), min_size=1, max_size=5)
QUESTIONS = st.sampled_from(["How much annual leave is there?", "年假有几天？", "leave [1]?", "Annual leave 年假？", "?"])


def evidence_of(passages: list[tuple[str, int, str]]) -> list[Evidence]:
    return [
        Evidence(n=n, key=key, order=(page, n), title=f"Title {key}", text=text)
        for n, (key, page, text) in enumerate(passages, start=1)
    ]


@settings(max_examples=300, deadline=None)
@given(question=QUESTIONS, passages=PASSAGES)
@example(question="leave [1]?", passages=[("a", 1, "Leave is asked for in the portal [3]. As shown in [1], leave ends in May.")])
def test_every_sentence_is_literal_and_cited(question: str, passages: list[tuple[str, int, str]]) -> None:
    evidence = evidence_of(passages)
    parts = answer_parts(question, evidence, question_language(question))
    if parts[0] in REFUSALS.values():
        assert len(parts) == 1
        assert not choose_sentences(question, evidence, "en")
        return
    quoted = [number for number, part in enumerate(parts) if isinstance(part, QuotedText)]
    assert 1 <= len(quoted) <= MOST_SENTENCES
    for number, part in enumerate(parts):
        if number in quoted:
            mark = re.fullmatch(r" \[(\d+)\]", parts[number + 1])
            assert mark is not None
            assert part in evidence[int(mark[1]) - 1].text
        else:
            assert re.fullmatch(r" \[\d+\]| |\n\n", part)


@settings(max_examples=300, deadline=None)
@given(question=QUESTIONS, passages=PASSAGES)
def test_reading_order_in_a_document_and_the_questions_language_first(
    question: str, passages: list[tuple[str, int, str]]
) -> None:
    evidence = evidence_of(passages)
    chosen = choose_sentences(question, evidence, question_language(question))
    keys = [evidence[candidate.evidence].key for candidate in chosen]
    assert keys == sorted(keys, key=keys.index), "a document's sentences stand together"
    for key in set(keys):
        places = [(evidence[c.evidence].order, c.place) for c in chosen if evidence[c.evidence].key == key]
        assert places == sorted(places)
    best = {key: any(c.same_language for c in chosen if evidence[c.evidence].key == key) for key in keys}
    languages = [best[key] for key in dict.fromkeys(keys)]
    assert languages == sorted(languages, reverse=True), "documents with the question's language come first"
