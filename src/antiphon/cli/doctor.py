"""`antiphon doctor`: what this installation can do, and what keeps it from more. Tests: tests/unit/cli/test_doctor.py."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from msgspec import Struct

from antiphon import __version__
from antiphon.access.safety import check_settings
from antiphon.cli.event_loop import run_to_end
from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.house import AsJson, DataDir
from antiphon.cli.terminal import write_json, write_table
from antiphon.client import RestClient
from antiphon.config import Settings, load_settings
from antiphon.core.errors import AntiphonError
from antiphon.core.failpoints import FAILPOINTS
from antiphon.core.runtime import system_runtime
from antiphon.ingest.guard import active_guards
from antiphon.ingest.ocr import active_helpers
from antiphon.models.discovery import find_local_servers
from antiphon.models.embedder_choice import configured_embedders
from antiphon.models.probe import ModelProbe
from antiphon.models.registry import limits_of, settings_provider
from antiphon.retrieve.dense.matrix import has_faiss
from antiphon.storage.inspection import inspect_storage
from antiphon.storage.lock import running_server

FREE_WARN_BYTES: Final = 2 * 2**30
FREE_FAIL_BYTES: Final = 100 * 2**20
SERVER_TIMEOUT_S: Final = 3.0
LIBRARIES: Final = ("starlette", "uvicorn", "websockets", "msgspec", "sqlalchemy", "pypdfium2")


class Finding(Struct, frozen=True, kw_only=True):
    """`warning`: works, with less; `failed`: `serve` will not work, or data is at risk."""

    check: str
    state: Literal["ok", "warning", "failed"] = "ok"
    detail: str = ""


def doctor(
    failpoints: Annotated[bool, typer.Option("--failpoints", help="List the fail-points of the crash tests.")] = False,
    storage: Annotated[bool, typer.Option("--storage", help="Look for damage and for leftovers in the data folder.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Check versions, SQLite, data folder, disk, settings and model server."""
    if failpoints:
        _list_failpoints(as_json=as_json)
        return
    settings = load_settings(data_dir=data_dir)
    findings = list(_storage(settings.data_dir)) if storage else run_to_end(_examine(settings))
    if as_json:
        write_json({"findings": findings, "ok": all(finding.state != "failed" for finding in findings)})
    else:
        write_table(["", "check", ""], [[f.state, f.check, f.detail] for f in findings], empty="")
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(ExitCode.INCOMPLETE)


def _list_failpoints(*, as_json: bool) -> None:
    if as_json:
        write_json({"failpoints": FAILPOINTS})
    else:
        write_table(["name", "where"], [[name, sentence] for name, sentence in FAILPOINTS.items()], empty="")


async def _examine(settings: Settings) -> list[Finding]:
    local: list[Callable[[Settings], Finding]] = [_versions, _sqlite, _folder, _disk, _guards, _parsers, _tesseract, _libreoffice]
    findings = [check(settings) for check in local]
    return [*findings, await _owner(settings.data_dir), await _chat_model(settings), *await _meaning(settings)]


def _versions(_: Settings) -> Finding:
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    state = "ok" if sys.version_info >= (3, 11) else "failed"
    return Finding(check="versions", state=state, detail=f"antiphon {__version__}, {system}, {libraries}")


def _sqlite(_: Settings) -> Finding:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(tokens, content='')")
    except sqlite3.OperationalError as error:
        return Finding(check="sqlite", state="failed", detail=f"This Python's SQLite has no full-text search (FTS5): {error}.")
    finally:
        connection.close()
    return Finding(check="sqlite", detail=f"SQLite {sqlite3.sqlite_version} with FTS5")


def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    if not folder.exists():
        return Finding(check="data folder", detail=f"{folder} (does not exist yet; the first start makes it)")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            check="data folder", state="failed", detail=f"{folder} can't be written. Change its owner or its permissions."
        )
    if folder.stat().st_mode & 0o077:
        return Finding(
            check="data folder", state="warning", detail=f"{folder} can be read by others on this machine: chmod 700 {folder}"
        )
    return Finding(check="data folder", detail=str(folder))


def _disk(settings: Settings) -> Finding:
    place = settings.data_dir.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    state = "failed" if free < FREE_FAIL_BYTES else "warning" if free < FREE_WARN_BYTES else "ok"
    return Finding(check="free disk", state=state, detail=f"{free / 2**30:.1f} GiB at {place}")


def _guards(settings: Settings) -> Finding:
    try:
        check_settings(host=settings.host, no_auth=settings.no_auth, owner_key=settings.owner_key, origins=settings.auth.origins)
    except AntiphonError as error:
        return Finding(check="guards", state="failed", detail=error.message)
    who = "everybody on this machine is the owner" if settings.no_auth else "accounts are on"
    return Finding(check="guards", detail=f"{who}, listening on {settings.host}")


def _parsers(_: Settings) -> Finding:
    active = [name for name, on in active_guards().items() if on]
    missing = [name for name, on in active_guards().items() if not on]
    detail = f"held by {', '.join(active)}" + (f"; not here: {', '.join(missing)}" if missing else "")
    return Finding(check="parsers", detail=detail)


def _tesseract(_: Settings) -> Finding:
    helper = active_helpers()["tesseract"]
    if helper.path is None or helper.lacking:
        what = "not installed" if helper.path is None else f"without {' and '.join(helper.lacking)}"
        advice = "Debian, Ubuntu: apt install tesseract-ocr tesseract-ocr-chi-sim; macOS: brew install tesseract tesseract-lang"
        return Finding(check="tesseract", state="warning", detail=f"{what}: for {helper.use}. {advice}")
    return Finding(check="tesseract", detail=f"{helper.path}, {', '.join(helper.languages)}")


def _libreoffice(_: Settings) -> Finding:
    helper = active_helpers()["libreoffice"]
    if helper.path is None:
        advice = "Debian, Ubuntu: apt install libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui"
        return Finding(check="libreoffice", state="warning", detail=f"not installed: for {helper.use}. {advice}")
    return Finding(check="libreoffice", detail=helper.path)


async def _owner(data_dir: Path) -> Finding:
    try:
        server = running_server(data_dir)
    except OSError as error:
        return Finding(check="server", state="failed", detail=f"the lock of {data_dir} can't be looked at: {error.strerror}")
    if server is None:
        return Finding(check="server", detail="none runs on this data folder")
    try:
        async with RestClient(server.url, key=server.token, timeout_s=SERVER_TIMEOUT_S) as rest:
            health = await rest.health()
    except AntiphonError as error:
        return Finding(
            check="server", state="failed", detail=f"process {server.pid} owns the folder and does not answer: {error.message}"
        )
    reasons = ", ".join(str(reason) for reason in health.get("reasons", []))
    state = "ok" if health.get("status") == "ok" else "warning"
    return Finding(
        check="server", state=state, detail=f"version {server.version}, process {server.pid} at {server.url} {reasons}".strip()
    )


async def _chat_model(settings: Settings) -> Finding:
    """Tries the model of the settings as `POST /models/test` does; without one, says what this machine has."""
    spec = settings_provider(settings.chat)
    runtime = system_runtime()
    if spec is None:
        found = await find_local_servers(runtime, own_ports={settings.port})
        offers = "; ".join(f"{server.base_url} answers ({', '.join(server.models[:3]) or 'a key is needed'})" for server in found)
        advice = f"Here: {offers}" if offers else "None was found on this machine"
        detail = f"none; answers are sentences of the documents (ANTIPHON_CHAT_BASE_URL). {advice}"
        return Finding(check="chat model", state="warning", detail=detail)
    report = await ModelProbe(runtime, limits_of(settings.chat)).test(spec)
    if report.problem is not None:
        return Finding(check="chat model", state="warning", detail=report.problem)
    where = spec.base_url or spec.kind
    rate = f", {report.tokens_per_s:g} tokens/s" if report.tokens_per_s else ""
    told = f", first token after {report.first_token_ms} ms{rate}" if report.first_token_ms is not None else ""
    return Finding(check="chat model", detail=f"{where} answers; model {report.model}{told}")


async def _meaning(settings: Settings) -> list[Finding]:
    """Search by meaning, reranking, and what keeps the vectors: what is active, or why not."""
    try:
        embedders = configured_embedders(settings.embed, settings.rerank, system_runtime(), data_dir=settings.data_dir)
    except AntiphonError as error:
        return [Finding(check="embedder", state="failed", detail=error.message)]
    findings: list[Finding] = []
    try:
        await embedders.open_now()
        for status in embedders.statuses():
            languages = ", ".join(status.languages) if status.languages else "any language"
            ready = status.state == "ready"
            detail = f"{status.label}, {status.dimension} dimensions, {languages}" if ready else status.reason
            findings.append(Finding(check=f"embedder {status.id}", state="ok" if ready else "warning", detail=detail))
    finally:
        await embedders.close()
    if not findings:
        findings.append(Finding(check="embedder", state="warning", detail=embedders.absent))
    else:
        kept = "faiss" if has_faiss() else "numpy (faiss is not installed: slower from about 50,000 passages on)"
        findings.append(Finding(check="vectors", state="ok" if has_faiss() else "warning", detail=f"searched with {kept}"))
    reranker = embedders.reranker
    findings.append(Finding(check="reranker", detail=reranker.name if reranker is not None else embedders.reranker_absent))
    return findings


def _storage(data_dir: Path) -> Iterator[Finding]:
    inspection = inspect_storage(data_dir)
    state = "ok" if inspection.integrity == "ok" else "failed"
    yield Finding(check="database", state=state, detail=inspection.integrity)
    for name, count in sorted(inspection.counts.items()):
        yield Finding(check=name, state="failed" if name in inspection.problems else "ok", detail=str(count))
