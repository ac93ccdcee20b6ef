"""The web app in real Chromium against a real server: runs the tests of web/tests/browser, one file at a time.

They are written where the page is written (TypeScript, playwright-core). Without Node or Chromium they are skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FILES = sorted(path.name for path in (WEB / "tests" / "browser").glob("*.test.ts"))


@pytest.fixture(scope="module")
def bundle() -> None:
    """The bundle is of the present sources: what is tested is what is there."""
    for options in (["--modules"], []):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / "build_web.py", *options],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_there_are_such_tests() -> None:
    assert len(FILES) >= 5


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm on this machine")
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("name", FILES)
def test_in_a_real_browser(name: str, bundle: None) -> None:
    program = Path(sys.executable).parent / "antiphon"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANTIPHON_")},
        "ANTIPHON_PROGRAM": str(program), "ANTIPHON_CHROMIUM": str(CHROMIUM), "NO_COLOR": "1",
    }  # fmt: skip
    done = subprocess.run(
        ["npm", "run", "--silent", "test:browser", "--", f"tests/browser/{name}"],
        cwd=WEB, env=environment, capture_output=True, text=True, timeout=230, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
