"""`antiphon backup` and `antiphon restore`. Tests: tests/unit/cli/test_archives.py; the work is in storage/backup.py."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from antiphon import __version__
from antiphon.cli.house import AsJson, DataDir
from antiphon.cli.terminal import notes, write, write_json
from antiphon.config import load_settings
from antiphon.core.runtime import system_runtime
from antiphon.storage.backup import create_backup
from antiphon.storage.restore import restore_backup


@contextmanager
def _bar(what: str) -> Generator[Callable[[int, int], None]]:
    console = notes()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def backup(
    target: Annotated[Path, typer.Argument(help="File to write; it must not exist.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Copy all data into one file, also while the server runs."""
    settings = load_settings(data_dir=data_dir)
    with _bar("backup") as progress:
        manifest = create_backup(settings.data_dir, target, runtime=system_runtime(), version=__version__, progress=progress)
    if as_json:
        write_json({"path": str(target), "files": len(manifest.files), "bytes": manifest.size_bytes, "schema": manifest.schema})
    else:
        write(f"{len(manifest.files)} files, {manifest.size_bytes} bytes in {target}\n")


def restore(
    archive: Annotated[Path, typer.Argument(help="A file made by `antiphon backup`.", exists=True, dir_okay=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace what is in the data folder without asking.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Put a backup in the place of all data. Only while no server runs on the folder."""
    settings = load_settings(data_dir=data_dir)
    if not yes:
        typer.confirm(f"Replace everything in {settings.data_dir}?", abort=True, err=True)
    with _bar("restore") as progress:
        manifest = restore_backup(archive, settings.data_dir, progress=progress)
    if as_json:
        write_json({"data_dir": str(settings.data_dir), "files": len(manifest.files), "version": manifest.version})
    else:
        write(f"{len(manifest.files)} files restored into {settings.data_dir}\n")
