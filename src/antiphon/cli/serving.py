"""`antiphon serve`. Tests: tests/integration/live/test_process.py, tests/unit/cli/test_main.py."""

from __future__ import annotations

from typing import Annotated

import typer

from antiphon.cli.house import DataDir
from antiphon.config import load_settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.", show_default="8000")] = None,
    data_dir: DataDir = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Everybody on this machine is the owner (loopback only).")] = False,
) -> None:
    """Start the server; it stops cleanly on Ctrl-C or SIGTERM."""
    # The server's libraries take most of a second to import; no other command should wait for them.
    from antiphon.server import process

    settings = load_settings(host=host, port=port, data_dir=data_dir, no_auth=no_auth or None)
    raise typer.Exit(process.serve(settings))
