"""A plug-in outside our tree, installed by pip and found by a fresh process; and a broken one beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

SAMPLE = Path(__file__).parents[1] / "fixtures" / "sample_plugin"
SOURCE = Path(__file__).parents[2] / "src"

PROGRAM = """
import asyncio, json, sys
from antiphon.flows.validate import validate
from antiphon.plugins import load_plugins
from antiphon.runs.nodes import builtin
from antiphon.testing.flows import flow, run_context, run_flow

plugins = load_plugins(sys.argv[1:], builtin=[builtin])
nodes = {"q": "question", "count": "sample_word_count", "o": "output"}
definition = flow(nodes, [("q.question", "count.text"), ("count.report", "o.answer")])
problems = [problem.message for problem in validate(definition, plugins.catalogue())]
result = None
if not problems:
    result = dict(asyncio.run(run_flow(definition, plugins.node_types, context=run_context(question="how many words"))).result)
print(json.dumps({
    "names": plugins.names,
    "plugin_problems": [[problem.plugin, problem.message] for problem in plugins.problems],
    "flow_problems": problems,
    "result": result,
}))
"""

CONFORMANCE = """
import antiphon_sample_plugin
from antiphon.testing.conformance.node import NodeSuite

class TestWordCount(NodeSuite):
    node_type = antiphon_sample_plugin.antiphon_nodes()[0]
    inputs = {"text": "one two"}
    settings = {"least_letters": 2}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample plug-in installed, and nothing else."""
    target = tmp_path_factory.mktemp("site")
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index",
        "--target", str(target), str(SAMPLE),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return target


def environment(*folders: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, (*folders, SOURCE))), "PYTHONDONTWRITEBYTECODE": "1"}


def run(*names: str, folders: tuple[Path, ...] = ()) -> dict[str, Any]:
    command = [sys.executable, "-c", PROGRAM, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(*folders), check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_found_validated_and_executed(site: Path) -> None:
    told = run(folders=(site,))
    assert told == {
        "names": ["antiphon.runs.nodes.builtin", "sample"],
        "plugin_problems": [],
        "flow_problems": [],
        "result": {"text": "3 words"},
    }


def test_without_it_the_same_flow_has_a_missing_node() -> None:
    told = run()
    assert told["names"] == ["antiphon.runs.nodes.builtin"]
    assert len(told["flow_problems"]) == 1
    assert "'sample_word_count' version 1, which this server does not have" in told["flow_problems"][0]


def test_it_passes_the_public_conformance_suite(site: Path, tmp_path: Path) -> None:
    (tmp_path / "test_word_count.py").write_text(textwrap.dedent(CONFORMANCE))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(site), cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout


def test_a_broken_plugin_is_named_and_survived(site: Path, tmp_path: Path) -> None:
    """One is installed and fails at import, one is named in the settings and does not exist; the sample still works."""
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError('made for another version')\n")
    metadata = tmp_path / "broken_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[antiphon]\nbroken = broken_plugin\n")
    told = run("no_such_plugin", folders=(site, tmp_path))
    assert told["plugin_problems"] == [
        ["broken", "The plug-in 'broken' could not be loaded: RuntimeError: made for another version"],
        [
            "no_such_plugin",
            "The plug-in 'no_such_plugin' could not be loaded: ModuleNotFoundError: No module named 'no_such_plugin'",
        ],
    ]
    assert told["names"] == ["antiphon.runs.nodes.builtin", "sample"]
    assert told["result"] == {"text": "3 words"}
