"""Where a local model's folder comes from: named by the operator, fetched before, in a hub's cache, or fetched from a hub now.

`fetch_model` speaks the paths that model hubs speak (`/api/models/NAME/revision/main`, `/NAME/resolve/COMMIT/FILE`); it takes the few
files a model needs, into a folder that gets its name only when it is whole. Only where the operator set an address.
Tests: tests/unit/models/test_hub.py, tests/integration/test_model_hub.py.
"""

from __future__ import annotations

import asyncio
import fnmatch
import hashlib
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from antiphon.core.errors import BadRequest, ModelUnavailable
from antiphon.models.onnx.folder import is_model_folder

_NEEDED: Final = (
    "modules.json", "config.json", "config_sentence_transformers.json", "sentence_bert_config.json", "tokenizer.json",
    "tokenizer_config.json", "antiphon-model.json", "README.md", "*_Pooling/config.json", "onnx/model.onnx", "onnx/model.onnx_data",
)  # fmt: skip
_MOST_BYTES: Final = 8 * 2**30
_PIECE_BYTES: Final = 2**20
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CONNECT_S: Final = 10.0
_SILENCE_S: Final = 60.0


class _Sibling(Struct):
    rfilename: str


class _Model(Struct):
    sha: str = "main"
    siblings: list[_Sibling] = []


def demand_repository(name: str) -> str:
    """Raises BadRequest for what is no `owner/name`."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise BadRequest(f"{name!r} is no name of a model: write owner/name (ANTIPHON_EMBED_REPOSITORY).")
    return name


def cached_folders(cache: Path, repository: str | None) -> list[Path]:
    """Folders of usable models in a hub's cache, newest snapshot of each model; of one model when named. Blocking."""
    root = cache.expanduser()
    pattern = "models--*" if repository is None else "models--" + repository.replace("/", "--")
    found: list[Path] = []
    for model in sorted(root.glob(pattern)) if root.is_dir() else []:
        snapshots = [path for path in (model / "snapshots").glob("*") if is_model_folder(path)]
        if snapshots:
            found.append(max(snapshots, key=lambda path: path.stat().st_mtime))
    return found


def fetched_folder(models: Path, repository: str) -> Path:
    """Where `fetch_model` puts it."""
    return models / repository.replace("/", "--")


async def fetch_model(hub_url: str, repository: str, models: Path) -> Path:
    """The folder of the model, fetched. Raises ModelUnavailable (the hub does not answer, or lacks a file), BadRequest (it is no
    model that can be run here)."""
    import aiohttp  # 0.1 s to load; a fetch is rare

    target = fetched_folder(models, repository)
    partial = target.with_name(target.name + ".part")
    base = hub_url.rstrip("/")
    limits = aiohttp.ClientTimeout(total=None, connect=_CONNECT_S, sock_read=_SILENCE_S)
    try:
        async with aiohttp.ClientSession(timeout=limits, headers={"User-Agent": "antiphon"}) as session:
            model = await _listing(session, f"{base}/api/models/{quote(repository)}/revision/main", repository)
            names = [entry.rfilename for entry in model.siblings if _is_needed(entry.rfilename)]
            if "onnx/model.onnx" not in names or "tokenizer.json" not in names:
                raise BadRequest(f"The model {repository!r} on the hub has no onnx/model.onnx with a tokenizer.json.")
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
            for name in names:
                address = f"{base}/{quote(repository)}/resolve/{quote(model.sha)}/{quote(name)}"
                await _file(session, address, partial / name)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ModelUnavailable(f"The hub at {base} did not give the model {repository!r}: {error or 'it was silent'}.") from None
    await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
    await asyncio.to_thread(partial.rename, target)
    return target


async def _listing(session: Any, address: str, repository: str) -> _Model:
    async with session.get(address) as answer:
        if answer.status != 200:
            raise ModelUnavailable(f"The hub does not have the model {repository!r} ({answer.status} of {address}).")
        try:
            return msgspec.json.decode(await answer.read(), type=_Model)
        except msgspec.MsgspecError:
            raise ModelUnavailable(f"The hub's answer about the model {repository!r} can't be read ({address}).") from None


async def _file(session: Any, address: str, target: Path) -> None:
    """Checked against the hub's sha256 where it tells one (it does for large files)."""
    async with session.get(address) as answer:
        if answer.status != 200:
            raise ModelUnavailable(f"The hub did not give {target.name} ({answer.status} of {address}).")
        told = [answer.headers.get(name, "") for name in ("X-Linked-ETag", "ETag")]
        told += [past.headers.get("X-Linked-ETag", "") for past in answer.history]
        wanted = next((tag.strip('"') for tag in told if _SHA256.fullmatch(tag.strip('"'))), None)
        digest, size = hashlib.sha256(), 0
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        with target.open("wb") as file:
            async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                size += len(piece)
                if size > _MOST_BYTES:
                    raise BadRequest(f"{target.name} of the model is larger than {_MOST_BYTES // 2**30} GiB.")
                digest.update(piece)
                await asyncio.to_thread(file.write, piece)
        if wanted is not None and digest.hexdigest() != wanted:
            raise ModelUnavailable(f"{target.name} arrived damaged from the hub ({address}); it is fetched again.")


def _is_needed(name: str) -> bool:
    inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
    return inside and any(fnmatch.fnmatchcase(name, pattern) for pattern in _NEEDED)
