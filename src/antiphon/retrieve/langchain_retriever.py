"""`LangChainRetriever`: a LangChain retriever behind the `Retriever` contract (extra `langchain`), for nodes of plug-ins.

What it finds lies outside of our documents: it has no place in a page, and our scopes know nothing of it. So it is given to one
workspace, and gives nothing to a caller who cannot see that. Tests: tests/integration/test_langchain.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, cast

from antiphon.access.scope import Scope
from antiphon.core.errors import AntiphonError, RetrievalFailed
from antiphon.core.ids import WorkspaceId
from antiphon.core.runtime import Runtime
from antiphon.retrieve.passage import Passage, Retrieved
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.storage.lexical.tokens import content_terms, query_terms, tokens

MAX_CHARACTERS: Final = 8000
"""Of one found document; longer ones are cut."""


class LangChainRetriever:
    """`retriever`: a `BaseRetriever`. `workspace_id`: whose members may ask it. A search narrowed to documents, tags or paths of ours
    finds nothing here."""

    def __init__(self, retriever: Any, *, workspace_id: str, runtime: Runtime) -> None:
        self._retriever = retriever
        self._workspace_id = workspace_id
        self._clock = runtime.clock

    async def retrieve(
        self,
        scope: Scope,
        workspace_ids: list[str],
        query: str,
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002 - the contract's name
    ) -> Retrieved:
        """See `Retriever.retrieve`. `coverage` is the share of the query's terms that occur, each counted alike."""
        narrowed = filter is not None and (filter.document_ids, filter.tags, filter.paths) != (None, None, None)
        if narrowed or self._workspace_id not in workspace_ids or not scope.sees(WorkspaceId(self._workspace_id)):
            return Retrieved(passages=[], coverage=0.0, mode="langchain")
        began_s = self._clock.monotonic()
        try:
            found = cast("Sequence[Any]", await self._retriever.ainvoke(query))
        except AntiphonError:
            raise
        except Exception as error:
            kind = f"{type(self._retriever).__name__}: {type(error).__name__}"
            raise RetrievalFailed(f"The LangChain retriever of this workspace failed ({kind}).") from error
        passages = [self._passage(n, document) for n, document in enumerate(found[:k], start=1)]
        return Retrieved(
            passages=passages,
            coverage=_coverage(query, passages),
            nearest=list(dict.fromkeys(passage.title for passage in passages))[:3],
            searched=len(found),
            took_ms=(self._clock.monotonic() - began_s) * 1000,
            mode="langchain",
        )

    def _passage(self, n: int, document: Any) -> Passage:
        text = str(document.page_content)[:MAX_CHARACTERS]
        told = cast("Mapping[str, Any]", document.metadata or {})
        source = str(getattr(document, "id", None) or told.get("source") or sha256(text.encode()).hexdigest()[:16])
        title = str(told.get("title") or told.get("source") or source)
        page = told.get("page")
        number = -int.from_bytes(sha256(f"{source}\0{text}".encode()).digest()[:6], "big")  # never one of our own chunks
        return Passage(
            chunk_id=number,
            workspace_id=self._workspace_id,
            document_id=f"langchain:{source}"[:200],
            version=0,
            title=title.rpartition("/")[2][:200] or title[:200],
            media_type="text/plain",
            page=page if isinstance(page, int) and page >= 0 else None,
            anchor=None,
            start=0,
            end=len(text),
            score=float(told.get("score") or 1 / n),
            text=text,
        )


def _coverage(query: str, passages: Sequence[Passage]) -> float:
    wanted = set(content_terms(query_terms(query)))
    if not wanted:
        return 0.0
    held: set[str] = set()
    for passage in passages:
        held |= wanted & set(tokens(passage.text))
    return len(held) / len(wanted)
