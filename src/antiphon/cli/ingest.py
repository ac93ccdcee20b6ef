"""`antiphon ingest PATH|URL...`: sends files and folders, has addresses fetched, and waits until they can be asked about; a folder again only where it changed.

Tests: tests/unit/cli/test_ingest.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Struct
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from antiphon.cli.addresses import Address, Fetching, is_address
from antiphon.cli.event_loop import run_to_end
from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.folder import Comparison, Found, compare, find_files, folder_names
from antiphon.cli.house import AsJson, DataDir, KeyFile, Place, Url, Workspace, reach_house
from antiphon.cli.sending import Outcome, Sender
from antiphon.cli.terminal import notes, plain, write, write_json
from antiphon.client import RestClient
from antiphon.core.errors import BadRequest
from antiphon.core.runtime import system_runtime


class Wanted(Struct, frozen=True, kw_only=True):
    """What the command was told."""

    files: list[Found]
    folders: list[str]
    addresses: list[Address] = []
    tags: list[str] = []
    wait: bool = True
    delete_missing: bool = False


def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders (searched, hidden files left out), and addresses that begin with http:// or https://."
        ),
    ],
    workspace: Workspace = None,
    wait: Annotated[bool, typer.Option(help="Wait until every document can be asked about.")] = True,
    tag: Annotated[list[str] | None, typer.Option(help="A tag for all of them; may be given several times.")] = None,
    depth: Annotated[int, typer.Option("--depth", help="How many links to follow from each address.", min=0, max=20)] = 0,
    sitemap: Annotated[
        bool, typer.Option("--sitemap", help="Also what the sitemaps of each address's site list below it.")
    ] = False,
    delete_missing: Annotated[
        bool, typer.Option("--delete-missing", help="Delete documents of these folders whose files are gone.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Add documents to a workspace. A folder or an address that was added before is taken again only where it changed."""
    addresses = [Address(url=text, depth=depth, sitemap=sitemap) for text in paths if is_address(text)]
    local = [Path(text) for text in paths if not is_address(text)]
    folders = folder_names(local)
    files = list(find_files(local))
    if (depth or sitemap) and not addresses:
        raise BadRequest("--depth and --sitemap are for addresses of the web; none was named.")
    if delete_missing and not folders:
        raise BadRequest("--delete-missing is for folders; only files were named.")
    if not files and not delete_missing and not addresses:
        raise BadRequest("There is no file in what was named; give files, or folders that hold some.")
    place = Place(data_dir=data_dir, url=url, key_file=key_file)
    wanted = Wanted(
        files=files, folders=folders, addresses=addresses, tags=tag or [], wait=wait, delete_missing=delete_missing
    )  # fmt: skip
    outcomes, deleted = run_to_end(run(place, wanted, workspace))
    raise typer.Exit(report(outcomes, deleted, as_json=as_json))


async def run(place: Place, wanted: Wanted, workspace: str | None) -> tuple[list[Outcome], list[str]]:
    """The outcome of each file, in their order, then of each fetched page, and the paths of what was deleted."""
    console = notes()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        workspace_id = str((await rest.workspace(workspace))["id"])
        compared = Comparison(send=wanted.files, unchanged=[], moved=[], missing=[])
        if wanted.folders:
            present = await rest.documents(workspace_id)
            compared = await asyncio.to_thread(compare, wanted.files, present, wanted.folders)
        outcomes = {str(found.path): _known(found, document, "unchanged") for found, document in compared.unchanged}
        for found, document in compared.moved:
            document = await rest.change_document(document["id"], path=found.known_as, name=found.path.name)
            outcomes[str(found.path)] = _known(found, document, "moved")
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
            sender = Sender(rest, workspace_id, progress, system_runtime().scheduler, tags=wanted.tags)
            fetched = Fetching(rest, workspace_id, progress, system_runtime().scheduler, tags=wanted.tags)
            if compared.send or not wanted.addresses:
                outcomes |= {outcome.path: outcome for outcome in await sender.send(compared.send, wait=wanted.wait)}
            pages = await fetched.fetch(wanted.addresses, wait=wanted.wait)
        missing = compared.missing if wanted.delete_missing else []
        for document in missing:
            await rest.delete_document(document["id"])
    sent = [outcomes[str(found.path)] for found in wanted.files]
    return [*sent, *pages], [str(document["path"]) for document in missing]


def _known(found: Found, document: dict[str, Any], change: str) -> Outcome:
    return Outcome(path=str(found.path), id=document["id"], state=document["state"], change=change)


def report(outcomes: list[Outcome], deleted: list[str], *, as_json: bool) -> ExitCode:
    """What became of them, failures by name and reason."""
    failed = [outcome for outcome in outcomes if outcome.state in {"failed", "refused"} or (outcome.error and not outcome.id)]
    partial = [outcome for outcome in outcomes if outcome.error is not None and outcome not in failed]
    if as_json:
        write_json({
            "documents": outcomes, "sent": len(outcomes) - len(failed), "failed": len(failed), "deleted": deleted,
        })  # fmt: skip
        return ExitCode.INCOMPLETE if failed else ExitCode.OK
    for outcome in (*partial, *failed):
        reason = (outcome.error or {}).get("message", outcome.state)
        notes().print(f"{plain(outcome.path)}: {plain(str(reason))}", markup=False)
    changes = Counter(outcome.change for outcome in outcomes if outcome not in failed)
    told = [f"{changes[name]} {name}" for name in ("unchanged", "replaced", "moved", "duplicate") if changes[name]]
    told += [f"{len(deleted)} deleted"] if deleted else []
    more = f" ({', '.join(told)})" if told else ""
    write(f"{len(outcomes) - len(failed)} of {len(outcomes)} documents added{more}.\n")
    return ExitCode.INCOMPLETE if failed else ExitCode.OK
