"""Ten lines of JavaScript in a real page, on another origin than the server, ask over `/ws/chat`."""

from __future__ import annotations

import asyncio
import http.server
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.testing.people import ask
from antiphon.testing.server_process import OWNER_KEY, ServerProcess

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = """<!doctype html><meta charset=utf-8><pre id=out></pre><script>
const out = document.getElementById("out"), tell = () => fetch("/told", {method: "POST", body: out.textContent});
const socket = new WebSocket("ws://127.0.0.1:%(port)d/ws/chat?workspace=%(workspace)s&model=extractive&ticket=%(ticket)s");
socket.onopen = () => socket.send("How many days of paid vacation?");
socket.onmessage = (event) => { out.textContent += event.data; tell(); };
socket.onclose = (event) => { out.textContent += "closed " + event.code; tell(); };
</script>"""


class Page(http.server.BaseHTTPRequestHandler):
    """Serves one page on another port than the server under test, and keeps what the page tells."""

    html = ""
    told: queue.Queue[str] = queue.Queue()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.html.encode())

    def do_POST(self) -> None:
        self.told.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def page_port() -> Iterator[int]:
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served.server_port
    served.shutdown()
    thread.join()
    served.server_close()


def browse(url: str, profile: Path) -> str:
    """What the page told, having run in chromium."""
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        f"--user-data-dir={profile}",
    ]
    with subprocess.Popen(
        [str(CHROMIUM), *options, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as browser:
        try:
            return Page.told.get(timeout=30)
        finally:
            os.killpg(browser.pid, signal.SIGKILL)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.slow
async def test_ten_lines_of_javascript_in_a_real_page(tmp_path: Path, page_port: int) -> None:
    """The page lives on another origin, which the operator allowed; from one that is not, the handshake is refused."""
    origin = f"http://127.0.0.1:{page_port}"
    server = ServerProcess(tmp_path / "data", auth_origins=origin)
    try:
        workspace = server.call("POST", "/workspaces", {"name": "Page"})["id"]
        server.upload(workspace, "handbook.md", b"# Vacation\n\nEmployees get 25 days of paid vacation a year.\n")
        told = {}
        for name in ("127.0.0.1", "localhost"):
            headers = {"Authorization": f"Bearer {OWNER_KEY}", "Origin": f"http://{name}:{page_port}"}
            ticket = ask(server, "POST", "/ws-ticket", {}, headers).body["ticket"]
            Page.html = PAGE % {"port": server.port, "workspace": workspace, "ticket": ticket}
            told[name] = await asyncio.to_thread(browse, f"http://{name}:{page_port}/", tmp_path / name)
        assert told["127.0.0.1"].startswith("Employees get 25 days"), told
        assert told["localhost"] == "closed 1006"
    finally:
        assert server.terminate() == 0, server.output
