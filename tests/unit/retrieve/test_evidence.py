"""What counts as evidence, and where the line is."""

from __future__ import annotations

from antiphon.retrieve.evidence import LEAST_EVIDENCE, evidence_of, rarity
from antiphon.storage.lexical.contract import Chunk, ScoredChunk
from antiphon.storage.lexical.tokens import content_terms, index_tokens, query_terms

LEAVE = "Every employee has 25 days of annual leave. Leave is asked for in the portal."
YEARLY = "入职满一年的员工每年享有七天带薪年休假。"


def scored(text: str, score: float = 1.0, *, title: str = "", number: int = 1) -> ScoredChunk:
    chunk = Chunk(
        chunk_id=number, document_id="doc", workspace_id="ws", version=1, ordinal=number, page=1, start=0, end=len(text), text=text,
        tokeniser_version="1", tokens=index_tokens(text, title),
    )  # fmt: skip
    return ScoredChunk(chunk=chunk, score=score)


def evidence(question: str, *texts: str, title: str = "", scores: tuple[float, ...] = (), total: int = 100) -> float:
    ranking = [
        scored(text, scores[number] if scores else 1.0 / (number + 1), title=title, number=number)
        for number, text in enumerate(texts)
    ]
    terms = content_terms(query_terms(question))
    held = {term: sum(term in one.chunk.tokens.split() for one in ranking) for term in terms}
    return evidence_of(rarity(held, total), [ranking])


def test_a_passage_that_says_all_of_it() -> None:
    assert evidence("How many days of annual leave does an employee have?", LEAVE) > 0.9
    assert evidence("员工享有几天年假？", YEARLY) > LEAST_EVIDENCE


def test_a_passage_about_something_else() -> None:
    assert evidence("Which submarine eats marmalade in annual leave?", LEAVE) < LEAST_EVIDENCE
    assert evidence("停车场的收费标准是什么？", YEARLY) < LEAST_EVIDENCE
    assert evidence("Which submarine?", LEAVE) == 0.0
    assert evidence("?", LEAVE) == 0.0
    assert evidence_of({"a": 1.0}, []) == 0.0


def test_words_in_several_passages_are_not_evidence_in_one() -> None:
    question = "Does the parking garage open on holidays?"
    apart = evidence(question, "The parking is free.", "The garage is closed.", "Shops open at ten.", "Holidays are in May.")
    assert apart < LEAST_EVIDENCE < evidence(question, "The parking garage is open on holidays.")


def test_what_stands_close_together_says_more() -> None:
    far = "Parking is here. " + "Nothing of interest is said in between. " * 40 + "The garage has lights."
    assert evidence("parking garage", far) < evidence("parking garage", "The parking garage has lights.")


def test_what_stands_out_says_more() -> None:
    texts = [LEAVE, *(["Leave the room."] * 11)]
    flat = evidence("annual leave bonus", *texts, scores=(1.0,) * 12)
    assert flat < evidence("annual leave bonus", *texts, scores=(5.0, *(1.0,) * 11))


def test_a_pair_apart_and_a_same_beginning_count_a_part() -> None:
    assert evidence("年假", "完全无关。") < evidence("年假", "年休假七天。") < evidence("年假", "年假七天。")
    assert (
        evidence("photography", "Nothing.")
        < evidence("photography", "The photographs fade.")
        < evidence("photography", "On photography.")
    )


def test_a_title_counts_for_each_of_its_passages() -> None:
    assert evidence("coffee machine button", "Press the red button.") < LEAST_EVIDENCE
    assert evidence("coffee machine button", "Press the red button.", title="Coffee machine") > LEAST_EVIDENCE


def test_in_a_single_chunk_a_missing_word_does_not_outweigh_the_rest() -> None:
    assert evidence("How many days of paid annual leave does an employee have?", LEAVE, total=1) > LEAST_EVIDENCE


def test_the_best_of_several_indexes_counts() -> None:
    weights = {"leav": 2.0}
    assert evidence_of(weights, [[scored("Nothing.")], [scored(LEAVE)]]) == evidence_of(weights, [[scored(LEAVE)]])
