"""`antiphon search`: passages without an answer. Tests: tests/unit/cli/test_lists.py."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from antiphon.cli.event_loop import run_to_end
from antiphon.cli.house import AsJson, DataDir, KeyFile, Place, Url, Workspace, reach_house
from antiphon.cli.terminal import notes, plain, write, write_json
from antiphon.client import RestClient


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("-k", help="How many passages.", min=1, max=100)] = 6,
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Find passages in the documents of a workspace."""
    place = Place(data_dir=data_dir, url=url, key_file=key_file)
    found = run_to_end(_search(place, query, k, workspace))
    if as_json:
        write_json(found)
        return
    for number, passage in enumerate(found["passages"], start=1):
        page = f", page {passage['page']}" if passage.get("page") else ""
        text = " ".join(plain(str(passage["text"])).split())
        write(f"{number}. {plain(str(passage['title']))}{page} ({passage['score']:.2f})\n   {text[:300]}\n")
    if not found["passages"]:
        notes().print("Nothing found.")


async def _search(place: Place, query: str, k: int, workspace: str | None) -> dict[str, Any]:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        return await rest.search(str((await rest.workspace(workspace))["id"]), query, k=k)
