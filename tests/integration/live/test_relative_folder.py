"""`antiphon serve --data-dir data`, as `make serve` starts it: the sample can be asked at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.testing.server_process import OWNER_KEY, ServerProcess


def test_the_sample_is_ready_in_a_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    server = ServerProcess(Path("data"), sample="true")
    try:
        workspace = server.call("GET", "/workspaces", key=OWNER_KEY)["items"][0]["id"]
        documents = server.call("GET", f"/workspaces/{workspace}/documents")["documents"]
        assert len(documents) >= 6
        assert {document["state"] for document in documents} == {"ready"}, documents
    finally:
        assert server.terminate() == 0
