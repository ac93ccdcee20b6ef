"""`antiphon watch`: folders of the server and addresses that are kept up on a schedule. Tests: tests/integration/test_cli_web.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from antiphon.cli.addresses import is_address
from antiphon.cli.event_loop import run_to_end
from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.house import AsJson, DataDir, KeyFile, Place, Url, Workspace, reach_house
from antiphon.cli.sending import FIRST_LOOK_S, LOOK_AT_MOST_EVERY_S
from antiphon.cli.terminal import write, write_json, write_table
from antiphon.client import RestClient
from antiphon.core.errors import BadRequest
from antiphon.core.runtime import system_runtime

app = typer.Typer(help="Keep folders of the server and addresses of the web up.", no_args_is_help=True, rich_markup_mode=None)
WatchId = Annotated[str, typer.Argument(help="Id of the watch, as `antiphon watch list` shows it.")]
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@app.command("add")
def add(
    target: Annotated[str, typer.Argument(help="A folder of the server, or an address that begins with http:// or https://.")],
    every: Annotated[str, typer.Option("--every", help="Time between two syncs: 30m, 6h, 1d.")] = "1d",
    depth: Annotated[int, typer.Option("--depth", help="How many links to follow from the address.", min=0, max=20)] = 0,
    sitemap: Annotated[bool, typer.Option("--sitemap", help="Also what the site's sitemaps list below the address.")] = False,
    tag: Annotated[list[str] | None, typer.Option(help="A tag for its documents; may be given several times.")] = None,
    delete_missing: Annotated[
        bool, typer.Option("--delete-missing", help="Delete documents whose files or pages are gone.")
    ] = False,
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Watch a folder or an address; its first sync begins at once."""
    fields: dict[str, Any] = {"interval_s": seconds(every), "tags": tag or [], "delete_missing": delete_missing}
    if is_address(target):
        fields |= {"url": target, "depth": depth, "sitemap": sitemap}
    else:
        fields |= {"folder": str(Path(target).absolute()) if url is None else target}
    place = Place(data_dir=data_dir, url=url, key_file=key_file)
    made = run_to_end(_add(place, workspace, fields))
    _show(made, as_json=as_json)


async def _add(place: Place, workspace: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        return await rest.add_watch(str((await rest.workspace(workspace))["id"]), **fields)


@app.command("list")
def list_watches(
    workspace: Workspace = None, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None, key_file: KeyFile = None
) -> None:
    """List the watches of a workspace and how their last syncs ended."""
    found = run_to_end(_list(Place(data_dir=data_dir, url=url, key_file=key_file), workspace))
    if as_json:
        write_json({"items": found})
        return
    columns = ["id", "what", "every", "last", "next"]
    write_table(
        columns, [_row(watch) for watch in found], empty="Nothing is watched. Begin with `antiphon watch add FOLDER|URL`."
    )


async def _list(place: Place, workspace: str | None) -> list[dict[str, Any]]:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        return await rest.watches(str((await rest.workspace(workspace))["id"]))


@app.command("sync")
def sync(
    watch_id: WatchId,
    wait: Annotated[bool, typer.Option(help="Wait until the sync has ended.")] = True,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Sync a watch now."""
    synced = run_to_end(_sync(Place(data_dir=data_dir, url=url, key_file=key_file), watch_id, wait=wait))
    _show(synced, as_json=as_json)
    last: dict[str, Any] = synced["last"] or {}
    if wait and last.get("state") != "ok":
        raise typer.Exit(ExitCode.INCOMPLETE)


async def _sync(place: Place, watch_id: str, *, wait: bool) -> dict[str, Any]:
    scheduler, pause_s = system_runtime().scheduler, FIRST_LOOK_S
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        watch = await rest.sync_watch(watch_id)
        while wait and watch["running"]:
            await scheduler.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LOOK_AT_MOST_EVERY_S)
            watch = await rest.watch(watch_id)
        return watch


@app.command("pause")
def pause(
    watch_id: WatchId, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None, key_file: KeyFile = None
) -> None:  # fmt: skip
    """Let a watch rest; `resume` lets it go on."""
    _show(run_to_end(_pause(Place(data_dir=data_dir, url=url, key_file=key_file), watch_id, paused=True)), as_json=as_json)


@app.command("resume")
def resume(
    watch_id: WatchId, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None, key_file: KeyFile = None
) -> None:  # fmt: skip
    """Let a paused watch go on."""
    _show(run_to_end(_pause(Place(data_dir=data_dir, url=url, key_file=key_file), watch_id, paused=False)), as_json=as_json)


async def _pause(place: Place, watch_id: str, *, paused: bool) -> dict[str, Any]:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        return await rest.change_watch(watch_id, paused=paused)


@app.command("remove")
def remove(
    watch_id: WatchId, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None, key_file: KeyFile = None
) -> None:  # fmt: skip
    """Stop watching. The documents stay."""
    run_to_end(_remove(Place(data_dir=data_dir, url=url, key_file=key_file), watch_id))
    if as_json:
        write_json({"id": watch_id, "deleted": True})
    else:
        write("Not watched any more; its documents stay.\n")


async def _remove(place: Place, watch_id: str) -> None:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        await rest.delete_watch(watch_id)


def seconds(text: str) -> float:
    """`90`, `30m`, `6h`, `1.5d`. Raises BadRequest."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smhd]?)", text.strip().lower())
    if found is None or not float(found[1]):
        raise BadRequest(f"{text[:40]!r} is no length of time: write 30m, 6h or 1d.")
    return float(found[1]) * _UNITS[found[2] or "s"]


def _row(watch: dict[str, Any]) -> list[str]:
    last: dict[str, Any] = watch["last"] or {}
    happened: dict[str, int] = last.get("counts") or {}
    counts = ", ".join(f"{number} {outcome}" for outcome, number in happened.items())
    told = "syncing" if watch["running"] else " ".join(filter(None, [str(last.get("state") or "never"), counts]))
    every = f"{watch['interval_s'] / 3600:g} h"
    return [watch["id"], str(watch.get("folder") or watch.get("url")), every, told, watch["next_due"] or "paused"]


def _show(watch: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(watch)
        return
    write_table(["id", "what", "every", "last", "next"], [_row(watch)], empty="")
    last: dict[str, Any] = watch["last"] or {}
    error: dict[str, Any] | None = last.get("error")
    if error is not None and not watch["running"]:
        write(f"{error['message']}\n")
