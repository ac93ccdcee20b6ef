"""Several searches fused into one result."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from antiphon.access.scope import Scope, system_scope
from antiphon.core.errors import RetrievalFailed
from antiphon.retrieve.passage import Retrieved
from antiphon.retrieve.several import fuse_passages, retrieve_several
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.testing.flows import sample_passage


def test_each_search_brings_its_best_and_nothing_twice() -> None:
    a, b, c, d = (sample_passage(n, document=f"doc_{n}") for n in range(1, 5))
    assert [passage.chunk_id for passage in fuse_passages([[a, b], [c, a], [d]], k=3)] == [1, 3, 4]
    overlapping = sample_passage(9, document="doc_1", text="x" * 900)
    assert [one.chunk_id for one in fuse_passages([[a], [sample_passage(1, document="doc_1"), overlapping]], k=5)] == [1, 9]
    inside = sample_passage(10, document="doc_1", text="y")  # [1000, 1001), while passage 9 is [900, 1800)
    assert [one.chunk_id for one in fuse_passages([[overlapping], [inside]], k=5)] == [9]


async def test_the_best_evidence_counts_and_the_turns_before_belong_to_the_question() -> None:
    asked: dict[str, list[str]] = {}

    class Searches:
        async def retrieve(
            self, scope: Scope, workspace_ids: list[str], query: str, *, k: int, filter: SearchFilter | None = None,  # noqa: A002
            earlier: Sequence[str] = (),
        ) -> Retrieved:  # fmt: skip
            asked[query] = list(earlier)
            number = int(query)
            return Retrieved(
                passages=[sample_passage(number)], coverage=number / 10, evidence=number / 10, nearest=[query], searched=9
            )

    found = await retrieve_several(Searches(), system_scope("test"), ["ws"], "1", ["2", "3"], k=2, given=None, earlier=["before"])
    assert asked == {"1": ["before"], "2": [], "3": []}
    assert (found.evidence, found.coverage, found.searched, len(found.passages)) == (0.3, 0.3, 9, 2)


async def test_a_failed_search_fails_as_one_alone_does() -> None:
    class Broken:
        async def retrieve(self, *args: object, **more: object) -> Retrieved:
            raise RetrievalFailed("The documents could not be searched.")

    with pytest.raises(RetrievalFailed):
        await retrieve_several(Broken(), system_scope("test"), ["ws"], "1", ["2"], k=2, given=None)
