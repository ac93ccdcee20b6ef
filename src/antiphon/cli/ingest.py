"""`antiphon ingest PATH...`: sends files and waits until they can be asked about. Tests: tests/unit/cli/test_ingest.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from msgspec import Struct
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from antiphon.cli.event_loop import run_to_end
from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.house import AsJson, DataDir, KeyFile, Place, Url, Workspace, reach_house
from antiphon.cli.terminal import notes, plain, write, write_json
from antiphon.client import RestClient
from antiphon.core.errors import AntiphonError, BadRequest
from antiphon.core.runtime import Scheduler, system_runtime

FIRST_LOOK_S: Final = 0.1
LOOK_AT_MOST_EVERY_S: Final = 1.0
UPLOADS_AT_ONCE: Final = 2
_ENDED: Final = {"ready", "failed"}


class Outcome(Struct, kw_only=True):
    """What became of one file. `state` is the document's, or `refused` when the server did not take it."""

    path: str
    id: str | None = None
    state: str = "refused"
    error: dict[str, Any] | None = None


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders; folders are searched, hidden ones left out.")],
    workspace: Workspace = None,
    wait: Annotated[bool, typer.Option(help="Wait until every document can be asked about.")] = True,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Add documents to a workspace."""
    files = list(find_files(paths))
    if not files:
        raise BadRequest("There is no file in what was named; give files, or folders that hold some.")
    place = Place(data_dir=data_dir, url=url, key_file=key_file)
    outcomes = run_to_end(_ingest(place, files, workspace, wait=wait))
    raise typer.Exit(_report(outcomes, as_json=as_json))


def find_files(paths: list[Path]) -> Iterator[Path]:
    """In order, each once. Raises BadRequest for a path that is not there."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise BadRequest(f"{str(path)!r} is not there.")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in inside:
            hidden = path.is_dir() and any(part.startswith(".") for part in each.relative_to(path).parts)
            if each.is_file() and not hidden and each.resolve() not in seen:
                seen.add(each.resolve())
                yield each


async def _ingest(place: Place, files: list[Path], workspace: str | None, *, wait: bool) -> list[Outcome]:
    console = notes()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        workspace_id = str((await rest.workspace(workspace))["id"])
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
            return await send_files(rest, workspace_id, files, progress, system_runtime().scheduler, wait=wait)


async def send_files(
    rest: RestClient, workspace_id: str, files: list[Path], progress: Progress, scheduler: Scheduler, *, wait: bool
) -> list[Outcome]:
    """Uploads a few at a time, then watches each until it is ready or failed; the outcomes in the order of `files`."""
    overall = progress.add_task(f"{len(files)} files", total=len(files))
    places = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def one(path: Path) -> Outcome:
        outcome = Outcome(path=str(path))
        task = progress.add_task(plain(path.name), total=None)
        try:
            async with places:
                document = await rest.upload(workspace_id, path, progress=_advance(progress, task))
            outcome.id, outcome.state = document["id"], document["state"]
            if wait:
                await _watch(
                    rest, outcome, scheduler, lambda state: progress.update(task, description=plain(f"{path.name}: {state}"))
                )
        except (AntiphonError, OSError) as error:
            code = error.code if isinstance(error, AntiphonError) else "unreadable"
            outcome.error = {"code": code, "message": str(error)}
            outcome.state = "refused" if outcome.id is None else outcome.state
        progress.remove_task(task)
        progress.advance(overall)
        return outcome

    return list(await asyncio.gather(*(one(path) for path in files)))


def _advance(progress: Progress, task: Any) -> Callable[[int, int], None]:
    return lambda sent, total: progress.update(task, completed=sent, total=total)


async def _watch(rest: RestClient, outcome: Outcome, scheduler: Scheduler, tell: Callable[[str], None]) -> None:
    pause_s = FIRST_LOOK_S
    while outcome.state not in _ENDED:
        await scheduler.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LOOK_AT_MOST_EVERY_S)
        document = await rest.document(str(outcome.id))
        outcome.state, outcome.error = document["state"], document.get("error")
        tell(outcome.state)


def _report(outcomes: list[Outcome], *, as_json: bool) -> ExitCode:
    failed = [outcome for outcome in outcomes if outcome.error is not None or outcome.state in {"failed", "refused"}]
    if as_json:
        write_json({"documents": outcomes, "sent": len(outcomes) - len(failed), "failed": len(failed)})
    else:
        for outcome in failed:
            reason = (outcome.error or {}).get("message", outcome.state)
            notes().print(f"{plain(outcome.path)}: {plain(str(reason))}", markup=False)
        write(f"{len(outcomes) - len(failed)} of {len(outcomes)} documents added.\n")
    return ExitCode.INCOMPLETE if failed else ExitCode.OK
