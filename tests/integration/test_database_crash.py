"""kill -9 of a writing process loses no acknowledged work; a full disk loses none either and is survived."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from antiphon.core.runtime import system_runtime
from antiphon.storage.sqlite.database import Database

WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from antiphon.core.runtime import system_runtime
from antiphon.storage.records.contract import Urgency
from antiphon.storage.sqlite.database import Database

async def main():
    database = Database.open(Path(sys.argv[1]), runtime=system_runtime())
    numbers = itertools.count()
    def insert(number, connection):
        connection.execute("INSERT INTO log_topics VALUES (?, 'first', 1)", (str(number),))
        connection.execute("INSERT INTO log_topics VALUES (?, 'second', 1)", (f"{number} b",))
        if number % 10 == 7:
            raise ValueError
    async def write(urgency):
        for number in numbers:
            try:
                await database.submit(lambda connection: insert(number, connection), urgency)
            except ValueError:
                continue
            sys.stdout.write(f"{number}\\n")
            sys.stdout.flush()
    await asyncio.gather(*(write(urgency) for urgency in list(Urgency) * 10))

asyncio.run(main())
"""

FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import system_runtime
from antiphon.storage.sqlite.database import Database

def insert(topic, size):
    return lambda connection: connection.execute("INSERT INTO log_topics VALUES (?, ?, 1)", (topic, "x" * size))

def topics(connection):
    return [row[0] for row in connection.execute("SELECT topic FROM log_topics ORDER BY topic")]

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = Path(sys.argv[1])
    database = Database.open(path, runtime=system_runtime())
    await database.submit(insert("before", 10))
    size = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
    outcomes = await asyncio.gather(*(database.submit(insert(f"lost {n}", 100_000)) for n in range(3)), return_exceptions=True)
    assert all(isinstance(error, AntiphonError) and error.retryable for error in outcomes), outcomes
    assert await database.read(topics) == ["before"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await database.submit(insert("after", 100_000))
    assert await database.read(topics) == ["after", "before"]
    await database.close()
    print(outcomes[0])

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 40, 400])
async def test_kill_9_loses_nothing_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "antiphon.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acks = [process.stdout.readline().strip() for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        acks += process.stdout.read().split()
    assert process.returncode == -signal.SIGKILL
    database = Database.open(path, runtime=system_runtime())
    rows = await database.read(lambda connection: [row[0] for row in connection.execute("SELECT topic FROM log_topics")])
    await database.close()
    assert len(acks) >= acknowledged
    assert set(acks) <= set(rows)
    firsts = {row for row in rows if not row.endswith(" b")}
    assert {f"{row} b" for row in firsts} == set(rows) - firsts, "half a work was kept"
    assert not [row for row in firsts if int(row) % 10 == 7], "a failed work was kept"


def test_a_disk_that_is_full_for_a_while(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "antiphon.db")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "could not be stored" in done.stdout
