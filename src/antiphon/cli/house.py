"""How a command reaches the house: the server given by `--url`, else the one that runs on the data folder, else a server
in this very process for the time of the command.

Tests: tests/unit/cli/test_house.py, tests/integration/test_cli.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from antiphon.config import load_settings
from antiphon.core.errors import BadRequest
from antiphon.storage.lock import running_server

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of all data.", show_default="the user's data folder")]
Url = Annotated[str | None, typer.Option("--url", help="Use the server at this address instead of the data folder's.")]
KeyFile = Annotated[Path | None, typer.Option("--key-file", help="File with the API key for --url.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Workspace = Annotated[
    str | None, typer.Option("--workspace", "-w", help="Workspace: id, slug or name.", show_default="your first one")
]


class Place(Struct, frozen=True, kw_only=True):
    """Where the house is, as the command line said it."""

    data_dir: Path | None = None
    url: str | None = None
    key_file: Path | None = None


class Reached(Struct, frozen=True, kw_only=True):
    url: str
    key: str | None


def read_key(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"The key file {str(path)!r} can't be read: {error}.") from None
    if not key:
        raise BadRequest(f"The key file {str(path)!r} is empty.")
    return key


@asynccontextmanager
async def reach_house(place: Place) -> AsyncGenerator[Reached]:
    """Raises FolderInUse when the folder's owner does not listen, and whatever keeps the house from opening."""
    if place.url is not None:
        yield Reached(url=place.url, key=read_key(place.key_file) if place.key_file else None)
        return
    settings = load_settings(data_dir=place.data_dir)
    running = running_server(settings.data_dir)
    if running is not None:
        yield Reached(url=running.url, key=running.token)
        return
    # The server's libraries take most of a second to import; with a running server no command needs them.
    from antiphon.server.logging import configure_logging
    from antiphon.server.process import local_server

    configure_logging("warning")
    async with local_server(settings) as (url, token):
        yield Reached(url=url, key=token)
