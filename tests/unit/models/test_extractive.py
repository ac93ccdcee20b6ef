from __future__ import annotations

import asyncio
import re

import pytest

from antiphon.models.chat import ChatRequest, Evidence, TextDelta
from antiphon.models.extractive import (
    MOST_SENTENCES,
    REFUSALS,
    ExtractiveChat,
    choose_sentences,
    extract_answer,
    question_language,
)
from antiphon.testing.simulated import simulated_runtime

LEAVE = Evidence(
    n=1,
    key="handbook",
    order=(3, 0),
    title="Handbook",
    text="# Annual leave\n\nEvery employee has 25 days of annual leave. Leave is asked for in the portal. The canteen opens at 11.",
)
SICK = Evidence(n=2, key="handbook", order=(2, 0), title="Handbook", text="Sick leave is paid for 30 days. Bring a note.")
OTHER = Evidence(n=3, key="parking", order=(1, 0), title="Parking", text="Parking costs 40 euros. The garage is closed at night.")
ZH = Evidence(
    n=4, key="手册", order=(1, 0), title="员工手册", text="员工每年有二十五天年假。请假须在系统中提交。食堂十一点开门。"
)


async def answer(question: str, *evidence: Evidence, language: str | None = None) -> tuple[str, list[str]]:
    pieces: list[str] = []

    def listen(delta: object) -> None:
        assert isinstance(delta, TextDelta)
        pieces.append(delta.text)

    request = ChatRequest(model="extractive", messages=[], question=question, evidence=evidence, language=language)
    result = await ExtractiveChat(simulated_runtime()).stream(request, listen)
    assert result.finish_reason == "stop"
    return "".join(pieces), pieces


async def test_says_the_sentence_that_answers_with_its_mark() -> None:
    text, _ = await answer("How many days of annual leave does an employee have?", LEAVE, OTHER)
    assert text.startswith("Every employee has 25 days of annual leave. [1]")
    assert "canteen" not in text
    assert "Parking" not in text


async def test_says_it_in_chinese() -> None:
    text, _ = await answer("员工每年有多少天年假？", ZH)
    assert text.startswith("员工每年有二十五天年假。 [4]")
    assert "食堂" not in text


async def test_every_sentence_is_literal_and_followed_by_the_mark_of_its_passage() -> None:
    passages = {passage.n: passage.text for passage in (LEAVE, SICK, OTHER, ZH)}
    text, _ = await answer("leave days 年假 note garage", LEAVE, SICK, OTHER, ZH)
    parts = re.findall(r"(.+?) \[(\d+)\](?: |\n\n|$)", text, re.DOTALL)
    assert len(parts) >= 3
    assert "".join(f"{sentence} [{n}]" for sentence, n in parts) == re.sub(r"(\[\d+\])(?: |\n\n)", r"\1", text)
    for sentence, n in parts:
        assert sentence in passages[int(n)]


async def test_reading_order_within_a_document_not_order_of_relevance() -> None:
    """The passage of page 2 comes before that of page 3, although the other one matches better."""
    text, _ = await answer("annual leave days and sick leave days", LEAVE, SICK)
    assert text.index("Sick leave is paid") < text.index("Every employee has 25 days")


async def test_documents_are_kept_together_best_first() -> None:
    far = Evidence(n=5, key="parking", order=(9, 0), title="Parking", text="Annual leave does not change the parking costs.")
    chosen = choose_sentences("annual leave days parking costs", [OTHER, LEAVE, far], "en")
    keys = [[OTHER, LEAVE, far][candidate.evidence].key for candidate in chosen]
    assert len(set(keys)) == 2
    assert keys == sorted(keys, key=keys.index), "Sentences of one document are not together."


async def test_question_language_first() -> None:
    both = [Evidence(n=1, key="a", order=(0, 0), title="", text="The VPN address is vpn.example.com."), ZH]
    zh = Evidence(n=2, key="b", order=(0, 0), title="", text="VPN 地址是 vpn.example.cn。")
    english, _ = await answer("VPN address?", both[0], zh, language="en")
    chinese, _ = await answer("VPN 地址是什么？", both[0], zh, language="zh")
    assert english.startswith("The VPN address is")
    assert chinese.startswith("VPN 地址是 vpn.example.cn。")


def test_question_language_comes_first_although_the_other_overlaps_more() -> None:
    en = Evidence(n=1, key="a", order=(0, 0), title="", text="The VPN gateway server is vpn.example.com.")
    zh = Evidence(n=2, key="b", order=(0, 0), title="", text="VPN 的地址是 vpn.example.cn。")
    chosen = choose_sentences("VPN gateway server 地址在哪里？", [en, zh], "zh")
    assert [candidate.evidence for candidate in chosen] == [1, 0]
    assert chosen[0].score < chosen[1].score
    crowd = Evidence(n=2, key="b", order=(0, 0), title="", text="".join(f"第{n}条：VPN 的地址见表{n}。" for n in range(6)))
    chosen = choose_sentences("VPN gateway 地址在哪里？", [en, crowd], "zh")
    assert [candidate.evidence for candidate in chosen] == [1] * MOST_SENTENCES


def test_at_most_six_and_none_twice() -> None:
    many = Evidence(n=1, key="a", order=(0, 0), title="", text=" ".join(f"Rule {n} is about leave." for n in range(30)))
    copy = Evidence(n=2, key="b", order=(0, 0), title="", text=many.text)
    chosen = choose_sentences("What are the rules about leave?", [many, copy], "en")
    assert len(chosen) == MOST_SENTENCES
    assert len({candidate.text for candidate in chosen}) == MOST_SENTENCES


async def test_heading_and_question_give_way_to_what_follows() -> None:
    faq = Evidence(
        n=1, key="a", order=(0, 0), title="", text="When does the garage close? At ten in the evening. Bikes are free."
    )
    text, _ = await answer("When does the garage close?", faq)
    assert "At ten in the evening. [1]" in text
    assert "Bikes" not in text


@pytest.mark.parametrize(
    ("question", "evidence", "language", "refusal"),
    [
        ("What does the moon weigh?", [], None, REFUSALS["en"]),
        ("What does the moon weigh?", [LEAVE], None, REFUSALS["en"]),
        ("月球有多重？", [ZH], None, REFUSALS["zh"]),
        ("月球有多重？", [], "zh", REFUSALS["zh"]),
        ("Mond?", [LEAVE], "de", REFUSALS["en"]),
        ("", [LEAVE], None, REFUSALS["en"]),
        ("???", [LEAVE], None, REFUSALS["en"]),
    ],
)
async def test_refuses_plainly(question: str, evidence: list[Evidence], language: str | None, refusal: str) -> None:
    text, _ = await answer(question, *evidence, language=language)
    assert text == refusal


def test_words_every_question_holds_are_no_overlap() -> None:
    assert choose_sentences("What is the moon?", [LEAVE], "en") == []
    assert choose_sentences("月球是什么？", [Evidence(n=1, key="a", order=(0, 0), title="", text="什么都有。")], "zh") == []


async def test_same_question_same_answer() -> None:
    assert await answer("leave days", LEAVE, SICK, OTHER) == await answer("leave days", LEAVE, SICK, OTHER)


async def test_streamed_in_small_pieces_that_join_exactly() -> None:
    text, pieces = await answer("annual leave 年假", LEAVE, ZH)
    assert text == extract_answer("annual leave 年假", [LEAVE, ZH], "zh")
    assert len(pieces) > 5
    assert max(map(len, pieces)) <= 45


async def test_gives_way_between_pieces() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(other())
    _, pieces = await answer("annual leave days", LEAVE, SICK)
    beside.cancel()
    assert turns >= len(pieces)


def test_language_of_a_question() -> None:
    assert question_language("How many days?") == "en"
    assert question_language("年假有几天") == "zh"
    assert question_language("OKR 是什么") == "zh"
    assert question_language("") == "en"


def test_is_not_steerable() -> None:
    assert ExtractiveChat(simulated_runtime()).steerable is False


def test_headings_are_not_said_beside_sentences() -> None:
    text = "3. Leave\n\nEverybody who works full time has 28 days of paid annual leave.\n\n3.1 Asking for leave\n\nAsk two weeks ahead."
    passage = Evidence(n=1, key="handbook", order=(4, 0), title="Handbook", text=text)
    answer = extract_answer("How many days of annual leave do employees get?", [passage], "en")
    assert answer.startswith("Everybody who works full time has 28 days of paid annual leave. [1]")
    assert "3. Leave" not in answer
    assert "3.1" not in answer


def test_a_heading_is_said_when_nothing_else_holds_the_words() -> None:
    passage = Evidence(n=1, key="handbook", order=(1, 0), title="Handbook", text="3.1 Asking for leave")
    assert extract_answer("asking leave", [passage], "en").startswith("3.1 Asking for leave [1]")


def test_a_chinese_word_that_stands_apart_in_the_text_is_found_by_its_characters() -> None:
    text = "考勤按月统计。入职满一年的员工每年享有七天带薪年休假。"
    passage = Evidence(n=1, key="handbook", order=(1, 0), title="手册", text=text)
    assert extract_answer("年假有几天？", [passage], "zh").startswith("入职满一年的员工每年享有七天带薪年休假。 [1]")
