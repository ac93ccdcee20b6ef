"""`make serve` in a fresh clone: the two commands of the README, with nothing but Python, git and make.

Installing takes a minute or two and the network; it runs under `make prove`. What make says without Python runs always.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANTIPHON_", "MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_options_are_passed_on():
    plan = _make("--dry-run", "serve", "HOST=127.0.0.1", "PORT=9", "DATA_DIR=/d").stdout
    assert "antiphon serve --host '127.0.0.1' --port '9' --data-dir '/d'" in plan
    assert "antiphon serve --data-dir data" in _make("--dry-run", "serve").stdout


@pytest.mark.parametrize(("python", "words"), [("", "found none"), ("/bin/false", "is no Python 3.11")])
def test_without_python_it_says_so(tmp_path: Path, python: str, words: str):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    done = _make("serve", f"PYTHON={python}", cwd=tmp_path)
    assert done.returncode != 0
    assert words in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_python_without_venv_is_told(tmp_path: Path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *) exit 0;; esac\n')
    fake.chmod(0o755)
    done = _make("serve", f"PYTHON={fake}", cwd=tmp_path)
    assert done.returncode != 0
    assert "python3-venv" in done.stderr


@pytest.mark.skipif(not os.environ.get("ANTIPHON_PROVE"), reason="installs a whole environment: make prove")
@pytest.mark.slow
def test_a_fresh_clone_serves(tmp_path: Path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=120)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANTIPHON_", "MAKE", "MFLAGS"))}
    with subprocess.Popen(
        ["make", "serve", "PORT=0"], cwd=clone, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("antiphon ready "), line
            with urllib.request.urlopen(f"{line.split()[-1]}/healthz", timeout=10) as answer:
                assert answer.status == 200
        finally:
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
            process.wait(20)
    assert (clone / "data").is_dir()
    assert not (clone / "data" / "server.json").exists(), "it was stopped cleanly"
