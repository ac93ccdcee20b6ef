"""kill -9 while vectors are made, and while a workspace is indexed anew: the next start goes on; no ghost in either index."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.failpoints import FAILPOINTS

STEPS = """
import asyncio, json, sys
from pathlib import Path
from antiphon.core.failpoints import arm
from antiphon.core.runtime import system_runtime
from antiphon.ingest import embedding, reindexing
from antiphon.models.embedders import Embedders
from antiphon.storage.records.rows import DOCUMENTS, SPACES
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.embedders import WordEmbedder
from antiphon.testing.ingest_house import WORKSPACE, IngestHouse

TEXT = " ".join(f"Sentence number {n} says that pump {n} is serviced every {n} hundred hours." for n in range(60)).encode()

async def main(folder, do, failpoint):
    embedding.SLICE = reindexing.SLICE = 2
    given = {"server": WordEmbedder(), "local": WordEmbedder(model="other", dimension=32)}
    async with IngestHouse.open(folder, embedders=Embedders(given, system_runtime())) as house:
        while house.meaning.embedders.choose("local") is None:
            await asyncio.sleep(0.01)
        if do == "change":
            await house.settled()
        arm(failpoint or None)
        if do == "add":
            for n in range(3):
                await house.add(TEXT + str(n).encode(), f"{n}.txt")
        if do == "change":
            await house.meaning.indexing.change(EVERYTHING, WORKSPACE, chunk_characters=300, embedder="local")
        if do == "delete":
            (row, *_) = await house.store.read(lambda tx: tx.find(DOCUMENTS, EVERYTHING, order="name"))
            await house.delete(row.id)
        await house.settled()
        while (await house.meaning.indexing.get(EVERYTHING, WORKSPACE))["state"] == "indexing":
            await asyncio.sleep(0.02)
        await house.settled()
        counted = await house.statistics()
        rows = await house.store.read(lambda tx: tx.find(DOCUMENTS, EVERYTHING))
        spaces = await house.store.read(lambda tx: tx.find(SPACES, EVERYTHING))
        found = await house.meaning.retriever.retrieve(EVERYTHING, [WORKSPACE], "pump 7 serviced", k=3)
        print(json.dumps({"states": sorted(row.state for row in rows), "versions": sorted(row.version for row in rows),
                          "spaces": [[space.embedder, space.state] for space in spaces], "mode": found.mode,
                          "passages": len(found.passages), **counted}))

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


def steps(folder: Path, do: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", STEPS, str(folder), do, failpoint], capture_output=True, text=True, timeout=90,
        env={**os.environ, "ANTIPHON_FAILPOINT": ""}, check=False,
    )  # fmt: skip


def state(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def sound(told: dict[str, Any]) -> None:
    for name in ("orphan_chunks", "stale_chunks", "ghost_rows", "unindexed_chunks", "orphan_vectors"):
        assert told[name] == 0, told
    assert told["vectors"] == told["chunks"] > 0, told
    assert set(told["states"]) == {"ready"}
    assert told["mode"] == "hybrid"
    assert told["passages"]


WHILE_EMBEDDING = ["embed.after_slice:5", "embed.after_ready", "ingest.after_ready"]
WHILE_REINDEXING = [
    "reindex.after_step:2", "reindex.after_swap", "ingest.after_index", "ingest.after_slice:2", "embed.after_slice:3",
    "document.after_delete",
]  # fmt: skip


def test_every_fail_point_of_vectors_is_killed_at() -> None:
    wanted = {name for name in FAILPOINTS if name.startswith(("embed.", "reindex."))}
    assert wanted <= {name.partition(":")[0] for name in (*WHILE_EMBEDDING, *WHILE_REINDEXING)}


@pytest.mark.parametrize("failpoint", WHILE_EMBEDDING)
def test_killed_while_vectors_are_made(tmp_path: Path, failpoint: str) -> None:
    killed = steps(tmp_path, "add", failpoint)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    told = state(steps(tmp_path, "go on"))
    sound(told)
    sound(state(steps(tmp_path, "delete")))


@pytest.mark.parametrize("failpoint", WHILE_REINDEXING)
def test_killed_while_a_workspace_is_indexed_anew(tmp_path: Path, failpoint: str) -> None:
    first = state(steps(tmp_path, "add"))
    sound(first)
    assert first["spaces"] == [["server", "serving"]]
    killed = steps(tmp_path, "delete" if failpoint.startswith("document") else "change", failpoint)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    told = state(steps(tmp_path, "change"))
    sound(told)
    assert told["spaces"] == [["local", "serving"]]
    assert told["chunks"] > first["chunks"]
