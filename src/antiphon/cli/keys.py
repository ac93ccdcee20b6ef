"""`antiphon keys`: API keys for programs. Tests: tests/unit/cli/test_lists.py."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from antiphon.cli.event_loop import run_to_end
from antiphon.cli.house import AsJson, DataDir, KeyFile, Place, Url, reach_house
from antiphon.cli.terminal import notes, write, write_json, write_table
from antiphon.client import RestClient

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)


class RoleChoice(StrEnum):
    owner = "owner"
    editor = "editor"
    viewer = "viewer"


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", "-w", help="Only for this workspace: id, slug or name.", show_default="all of yours"),
    ] = None,
    role: Annotated[RoleChoice | None, typer.Option("--role", help="At most this role.", show_default="your own")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Make an API key. It is shown this once and stored only as a hash."""
    place = Place(data_dir=data_dir, url=url, key_file=key_file)
    made = run_to_end(_create(place, name, workspace, None if role is None else role.value))
    if as_json:
        write_json(made)
        return
    notes().print(f"Key {made['id']}; it is not shown again:")
    write(f"{made['key']}\n")


async def _create(place: Place, name: str, workspace: str | None, role: str | None) -> dict[str, Any]:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        workspace_id = str((await rest.workspace(workspace))["id"]) if workspace is not None else None
        return await rest.create_key(name, workspace_id=workspace_id, role=role)


@app.command("list")
def list_keys(as_json: AsJson = False, data_dir: DataDir = None, url: Url = None, key_file: KeyFile = None) -> None:
    """List your keys (never the secrets)."""
    keys = run_to_end(_list(Place(data_dir=data_dir, url=url, key_file=key_file)))
    if as_json:
        write_json({"items": keys})
        return
    columns = ["id", "name", "workspace_id", "role", "created_at", "last_used_at"]
    rows = [[str(key[name] if key.get(name) is not None else "") for name in columns] for key in keys]
    write_table(columns, rows, empty="There are no keys. Make one with `antiphon keys create --name NAME`.")


async def _list(place: Place) -> list[dict[str, Any]]:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        return await rest.keys()


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Revoke a key; open connections made with it end within 5 s."""
    run_to_end(_revoke(Place(data_dir=data_dir, url=url, key_file=key_file), key_id))
    if as_json:
        write_json({"id": key_id, "revoked": True})
    else:
        write("Revoked.\n")


async def _revoke(place: Place, key_id: str) -> None:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        await rest.revoke_key(key_id)
