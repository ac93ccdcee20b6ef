"""The wheel, built, installed outside the repository, and served from there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROVE = bool(os.environ.get("ANTIPHON_PROVE"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without isolation (the build tools are development dependencies), from a copy without what git ignores."""
    folder = tmp_path_factory.mktemp("wheel")
    isolation = [] if PROVE else ["--no-isolation"]
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", str(folder), str(ROOT)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_the_package_and_all_that_goes_with_it(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "antiphon").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources - names == set(), "missing in the wheel"
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "scripts/", "docs/", "web/")) for name in names)


def test_it_holds_the_web_app(wheel: Path):
    archive = zipfile.ZipFile(wheel)
    inside = {name.removeprefix("antiphon/server/bundle/") for name in archive.namelist() if "/server/bundle/" in name}
    page = archive.read("antiphon/server/bundle/index.html").decode()
    for reference in re.findall(r'(?:src|href)="/([^"]+)"', page):
        assert reference in inside, reference
    scripts = [name for name in inside if name.startswith("assets/") and name.endswith(".js")]
    assert len(scripts) >= 4
    for name in scripts:
        assert {f"{name}.br", f"{name}.gz"} <= inside, name
    assert any(name.startswith("assets/pdf.worker") for name in inside)
    assert "pdf/cmaps/UniGB-UCS2-H.bcmap" in inside


def test_it_serves_from_an_empty_environment(wheel: Path, tmp_path: Path):
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    options = ["--constraint", str(ROOT / "constraints.txt")] if PROVE else ["--no-deps"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *options, str(wheel)], check=True, timeout=900)
    packages = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    if not PROVE:  # the dependencies are there already; only the wheel itself is in question
        outer = _dependencies_only(tmp_path / "dependencies")
        (packages / "dependencies.pth").write_text(f"{outer}\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANTIPHON_", "PYTHON"))}
    where = subprocess.run(
        [python, "-c", "import antiphon; print(antiphon.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=clean,
    )
    assert Path(where.stdout.strip()).is_relative_to(environment)
    _served(environment / "bin" / "antiphon", tmp_path, clean)


def _dependencies_only(folder: Path) -> Path:
    """Links to everything in this environment's packages but Antiphon itself (its editable install must not be found)."""
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "antiphon" not in path.name and path.suffix != ".pth":
            (folder / path.name).symlink_to(path)
    return folder


def _served(program: Path, folder: Path, environment: dict[str, str]) -> None:
    command = [program, "serve", "--port", "0", "--data-dir", str(folder / "data")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("antiphon ready "), process.stderr.read() if process.stderr else ""
            with urllib.request.urlopen(f"{line.split()[-1]}/healthz", timeout=10) as answer:
                assert answer.status == 200
        finally:
            process.terminate()
            process.communicate(timeout=15)
    assert process.returncode == 0
