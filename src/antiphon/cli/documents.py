"""`antiphon documents`: lists and deletes. Tests: tests/unit/cli/test_lists.py."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from antiphon.cli.event_loop import run_to_end
from antiphon.cli.house import AsJson, DataDir, KeyFile, Place, Url, Workspace, reach_house
from antiphon.cli.terminal import write, write_json, write_table
from antiphon.client import RestClient

app = typer.Typer(help="List and delete documents.", rich_markup_mode=None)
State = Annotated[str | None, typer.Option(help="Only documents in this state (ready, failed, ...).")]


@app.callback(invoke_without_command=True)
def documents(
    context: typer.Context,
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """List the documents of a workspace, or delete some."""
    if context.invoked_subcommand is None:
        list_documents(workspace=workspace, as_json=as_json, data_dir=data_dir, url=url, key_file=key_file)


@app.command("list")
def list_documents(
    workspace: Workspace = None,
    state: State = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """List the documents of a workspace."""
    documents = run_to_end(_list(Place(data_dir=data_dir, url=url, key_file=key_file), workspace, state))
    if as_json:
        write_json({"documents": documents})
        return
    rows = [
        [str(d[name] if d.get(name) is not None else "") for name in ("id", "name", "state", "pages", "passages")]
        for d in documents
    ]
    write_table(
        ["id", "name", "state", "pages", "passages"], rows, empty="There are no documents. Add some with `antiphon ingest PATH`."
    )


async def _list(place: Place, workspace: str | None, state: str | None) -> list[dict[str, Any]]:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        return await rest.documents(str((await rest.workspace(workspace))["id"]), state=state)


@app.command("delete")
def delete_documents(
    ids: Annotated[list[str], typer.Argument(help="Ids of documents, as `antiphon documents list` shows them.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Delete documents: gone from search, citations and answers at once."""
    run_to_end(_delete(Place(data_dir=data_dir, url=url, key_file=key_file), ids))
    if as_json:
        write_json({"deleted": ids})
    else:
        write(f"{len(ids)} deleted.\n")


async def _delete(place: Place, ids: list[str]) -> None:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        for document_id in ids:
            await rest.delete_document(document_id)
