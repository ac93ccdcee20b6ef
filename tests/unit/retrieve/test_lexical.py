from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.access.identity import Identity, Role
from antiphon.access.scope import Action, Scope, scope, system_scope
from antiphon.core.errors import RetrievalFailed
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.retrieve.lexical import LexicalRetriever, choose_terms, coverage_of, term_weights, within_budget
from antiphon.storage.lexical.contract import Chunk, SearchFilter
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.lexical.tokens import TOKENISER_VERSION, index_tokens
from antiphon.storage.records.rows import DOCUMENTS, PAGES, DocumentRow, PageRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing import simulated_runtime

EVERYTHING = system_scope("test")


class House:
    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.index = SqliteLexicalIndex()
        self.retriever = LexicalRetriever(store, self.index, simulated_runtime())

    async def add(self, document_id: str, *texts: str, workspace: str = "ws_1", title: str = "") -> None:
        """A document of one page with a chunk for each text."""
        page = " ".join(texts)

        def insert(tx: Any) -> None:
            tx.insert(
                DOCUMENTS,
                DocumentRow(id=document_id, workspace_id=workspace, name=f"{document_id}.pdf", title=title, state="ready",
                            searchable=True, media_type="application/pdf", created_at=0.0, updated_at=0.0),
            )  # fmt: skip
            tx.insert(
                PAGES,
                PageRow(id=f"{document_id}:1:1", document_id=document_id, workspace_id=workspace, version=1, number=1, text=page),
            )
            start = 0
            for ordinal, text in enumerate(texts):
                self.index.add(tx, [Chunk(
                    document_id=document_id, workspace_id=workspace, version=1, ordinal=ordinal, page=1, start=start,
                    end=start + len(text), text=text, tokeniser_version=TOKENISER_VERSION, tokens=index_tokens(text, title),
                )])  # fmt: skip
                start += len(text) + 1

        await self.store.write(insert)

    async def ask(self, query: str, *workspaces: str, k: int = 5, within: Scope = EVERYTHING, **given: Any) -> Any:
        return await self.retriever.retrieve(
            within, list(workspaces or ("ws_1",)), query, k=k, filter=SearchFilter(**given) if given else None
        )


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = SqliteStore(Database.open(tmp_path / "antiphon.db", runtime=simulated_runtime()))
    yield House(store)
    await store.close()


class Roles:
    async def roles_of(self, _user_id: UserId, /) -> dict[WorkspaceId, Role]:
        return {WorkspaceId("ws_2"): Role.VIEWER}


async def test_a_passage_is_an_exact_range_of_its_page(house: House) -> None:
    await house.add("doc_1", "Cats sleep a lot.", "Dogs bark at night.", "Birds sing.", title="Animals")
    found = await house.ask("What do dogs do at night, and when do birds sing?")
    (passage,) = found.passages
    assert passage.text == "Dogs bark at night. Birds sing."
    assert (passage.page, passage.start, passage.end, passage.title) == (1, 18, 49, "Animals")
    assert (found.searched, found.mode, found.nearest) == (3, "lexical", ["Animals"])
    assert found.coverage == 1.0


async def test_traditional_and_simplified_and_inflected_forms_meet(house: House) -> None:
    await house.add("doc_zh", "公司的資訊安全由軟體部門負責。")
    await house.add("doc_en", "She was running three companies.")
    assert (await house.ask("资讯安全")).passages[0].document_id == "doc_zh"
    assert (await house.ask("company runs")).passages[0].document_id == "doc_en"


async def test_a_title_finds_what_the_text_does_not_say(house: House) -> None:
    await house.add("doc_1", "Press the red button.", title="Coffee machine")
    await house.add("doc_2", "Press the blue button.", title="Printer")
    assert (await house.ask("How do I use the coffee machine?")).passages[0].document_id == "doc_1"


async def test_coverage_tells_an_unanswerable_question(house: House) -> None:
    for number in range(20):
        await house.add(f"doc_{number}", f"The warehouse number {number} stores paper and pencils.")
    good = await house.ask("Which warehouse stores pencils?")
    poor = await house.ask("Which submarine eats marmalade in the warehouse?")
    none = await house.ask("Submarine marmalade?")
    assert good.coverage > 0.9
    assert 0.3 > poor.coverage > none.coverage == 0.0
    assert none.passages == []
    assert len(poor.nearest) == 3


async def test_several_workspaces_are_fused_and_scope_comes_first(house: House) -> None:
    await house.add("doc_1", "The otter swims.", workspace="ws_1")
    await house.add("doc_2", "An otter dives.", workspace="ws_2")
    both = await house.ask("otter", "ws_1", "ws_2", "ws_1")
    assert {passage.document_id for passage in both.passages} == {"doc_1", "doc_2"}
    assert both.searched == 2
    identity = Identity(user_id=UserId("usr_1"), name="Ada", credential="test")
    within = await scope(identity, Action.READ, Roles())
    narrow = await house.ask("otter", "ws_1", "ws_2", within=within)
    assert [passage.document_id for passage in narrow.passages] == ["doc_2"]
    assert (narrow.searched, narrow.nearest) == (1, ["doc_2.pdf"])


async def test_what_was_asked_before_counts_less(house: House) -> None:
    await house.add("doc_1", "Otters sleep at noon.")
    await house.add("doc_2", "Bears sleep in winter.")
    await house.add("doc_3", "Otters eat fish.")
    later = await house.retriever.retrieve(EVERYTHING, ["ws_1"], "And when do they sleep?", k=3, earlier=["What do otters eat?"])
    assert [passage.document_id for passage in later.passages] == ["doc_1", "doc_3", "doc_2"]
    alone = await house.ask("And when do they sleep?", k=3)
    assert {passage.document_id for passage in alone.passages} == {"doc_1", "doc_2"}
    bears = await house.retriever.retrieve(EVERYTHING, ["ws_1"], "When do bears sleep?", k=3, earlier=["What do otters eat?"])
    assert bears.passages[0].document_id == "doc_2", "the question's own words decide"
    why = await house.retriever.retrieve(EVERYTHING, ["ws_1"], "Why?", k=1, earlier=["", "Do bears sleep in winter?"])
    assert [passage.document_id for passage in why.passages] == ["doc_2"], (
        "a question without words of its own is about the turns before"
    )


async def test_common_terms_order_what_the_rare_ones_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antiphon.retrieve.lexical.MOST_POSTINGS", 3)
    for number, text in enumerate(["pond moss", "pond otter", "beaver", *["otter"] * 4, *["x"] * 9]):
        await house.add(f"doc_{number}", text)
    found = await house.ask("otter beaver pond", k=4)  # `otter` is in five chunks: not searched for
    assert [passage.document_id for passage in found.passages] == ["doc_2", "doc_1", "doc_0"]


def test_a_search_reads_no_more_than_its_budget() -> None:
    postings = {"a": 1, "b": 50, "c": 60, "d": 100}
    assert within_budget(list(postings), postings, 120) == ["a", "b", "c"]
    assert within_budget(list(postings), postings, 10) == ["a", "b"], "two terms in any case"
    assert within_budget([], {}, 10) == []


async def test_a_filter_narrows(house: House) -> None:
    await house.add("doc_1", "The otter swims.")
    await house.add("doc_2", "The otter dives.")
    assert [p.document_id for p in (await house.ask("otter", document_ids=["doc_2"])).passages] == ["doc_2"]
    assert (await house.ask("otter", document_ids=[])).passages == []


@pytest.mark.parametrize("query", ["", "?!", '"', "NEAR(", "的", "\x00", "*" * 1000, "AND OR NOT"])
async def test_any_question_is_answered_without_an_error(house: House, query: str) -> None:
    await house.add("doc_1", "The otter swims.")
    found = await house.ask(query, "ws_1", "ws_none")
    assert found.passages == []
    assert 0 <= found.coverage <= 1


async def test_a_broken_store_is_a_retrieval_that_failed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("a detail nobody needs")

    monkeypatch.setattr(house.index, "postings", broken)
    with pytest.raises(RetrievalFailed) as caught:
        await house.ask("otter")
    assert "detail" not in caught.value.message


def test_the_rarest_terms_are_chosen() -> None:
    assert choose_terms({"a": 5, "b": 1, "c": 0, "d": 3}, 10) == ["b", "d", "a"]
    assert choose_terms({f"t{n}": n for n in range(1, 40)}, 50) == [f"t{n}" for n in range(1, 13)]
    assert choose_terms({"the": 9_000, "otter": 12}, 10_000) == ["otter"]
    assert choose_terms({"the": 1_900, "otter": 12}, 2_000) == ["otter", "the"]  # common, but cheap
    assert choose_terms({"the": 9_000, "a": 9_500}, 10_000) == ["the"]
    assert choose_terms({}, 0) == []


def test_coverage_weighs_by_rarity() -> None:
    weights = term_weights({"rare": 1, "common": 90, "absent": 0}, 100)
    assert weights["absent"] > weights["rare"] > weights["common"] > 0
    assert coverage_of(["rare", "common"], weights, {"common"}) < 0.1
    assert coverage_of(["rare", "common"], weights, {"rare", "common"}) == 1.0
    assert coverage_of([], weights, set()) == 0.0


async def test_a_chinese_word_is_found_by_its_characters_when_no_pair_of_it_occurs(house: House) -> None:
    await house.add("doc_1", "入职满一年的员工每年享有七天带薪年休假。")
    await house.add("doc_2", "会议室须提前一天预订。")
    found = await house.ask("年假")
    assert [passage.document_id for passage in found.passages] == ["doc_1"]
