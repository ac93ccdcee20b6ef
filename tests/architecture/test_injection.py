"""Time, chance, ids and waiting come from `core.Runtime` only, so that a simulation can own all four."""

from __future__ import annotations

import ast

ALLOWED = {
    "antiphon.core.runtime",
    "antiphon.testing.server_process",  # waits for real processes, outside any loop
}
FORBIDDEN = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "time.sleep",
    "asyncio.sleep", "anyio.sleep", "random", "secrets", "uuid", "os.urandom",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
}  # fmt: skip
EXCEPT = {
    "secrets.compare_digest": "a comparison in constant time; no chance in it",
}
PLACES: dict[tuple[str, str], str] = {
    ("antiphon.testing.byte_socket", "os.urandom"): "masks of frames that a test sends",
    ("antiphon.testing.simulated", "random.Random"): "seeded, which is its point",
}
"""(module, name) -> why it may use it all the same."""


def _aliases(module) -> dict[str, str]:
    known: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return known


def _full_name(node: ast.AST, known: dict[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in known:
        return ".".join([known[node.id], *reversed(parts)])
    return None


def uses(modules, forbidden: set[str]) -> list[str]:
    """Every mention of a forbidden function, or of anything inside a forbidden module, under whatever alias."""
    found = set()
    for module in modules:
        known = _aliases(module)
        for node in ast.walk(module.tree):
            name = _full_name(node, known) if isinstance(node, ast.Attribute | ast.Name) else None
            if name is None or name in EXCEPT or (module.name, name) in PLACES:
                continue
            if name in forbidden or any(name.startswith(f"{each}.") for each in forbidden):
                found.add(f"{module.name}:{node.lineno} {name}")
    return sorted(found)


def test_nothing_but_the_runtime_reads_clocks_or_chance(modules):
    checked = [module for module in modules if module.name not in ALLOWED]
    assert len(checked) == len(modules) - len(ALLOWED)
    assert uses(checked, FORBIDDEN) == []


def test_the_check_sees_through_aliases(plant):
    texts = {
        "import time as t\nt.time()": True,
        "from time import monotonic as m\nm()": True,
        "from asyncio import sleep\nasync def f():\n    await sleep(1)": True,
        "import asyncio\nasync def f():\n    await asyncio.sleep(1)": True,
        "from datetime import datetime\ndatetime.now()": True,
        "import datetime as dt\ndt.datetime.now()": True,
        "import uuid\nuuid.uuid4()": True,
        "from random import Random\nRandom()": True,
        "from secrets import compare_digest\ncompare_digest('a', 'b')": False,
        "from datetime import datetime\ndatetime.fromtimestamp(0)": False,
        "import asyncio\nasyncio.timeout(1)": False,
    }
    for text, bad in texts.items():
        assert bool(uses([plant("antiphon.runs.x", text)], FORBIDDEN)) is bad, text
