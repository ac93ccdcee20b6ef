"""`antiphon replay`: a recorded run once more. Tests: tests/unit/cli/test_replaying.py."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from antiphon.cli.event_loop import run_to_end
from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.house import AsJson, DataDir, KeyFile, Place, Url, reach_house
from antiphon.cli.terminal import notes, plain, write, write_json
from antiphon.client import RestClient

WAIT_S: Final = 600.0


def replay(
    run: Annotated[str, typer.Argument(help="Id of the run, `run_...`.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Run a recorded run again with its passages and seed. Exits with 4 when the text is another, and shows where."""
    told = run_to_end(_replay(Place(data_dir=data_dir, url=url, key_file=key_file), run))
    if as_json:
        write_json(told)
    else:
        _show(told)
    raise typer.Exit(ExitCode.OK if told.get("equal") else ExitCode.INCOMPLETE)


async def _replay(place: Place, run_id: str) -> dict[str, Any]:
    async with reach_house(place) as reached, RestClient(reached.url, key=reached.key) as rest:
        return await rest.replay(run_id, wait_s=WAIT_S)


def _show(told: dict[str, Any]) -> None:
    if told.get("equal"):
        write(f"The same text, sha256 {told['text_sha256']} ({told['run_id']}).\n")
        return
    if "equal" not in told:
        notes().print(f"The replay {told['run_id']} is {told['state']}.", markup=False)
        return
    first, node = told["first_difference"], told.get("first_node")
    write(f"Another text ({told['run_id']}, {told['state']}). It differs from character {first['offset']} on:\n")
    write(f"  recorded: …{plain(first['recorded'])!r}…\n  replayed: …{plain(first['replayed'])!r}…\n")
    if node is not None:
        write(
            f"The first node that gave something else: {plain(str(node['label']))} ({node['node_id']}), output {node['port']}.\n"
        )
