"""Keeps the present description of the realtime protocol as what later changes are compared with.

`python scripts/keep_protocol.py` at the end of an issue; tests/unit/server/test_asyncapi.py does the comparison.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from antiphon.commands.catalogue import all_commands
from antiphon.commands.table import CommandTable
from antiphon.server.asyncapi import asyncapi_document

KEPT = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "protocol" / "asyncapi.json"


def main() -> None:
    table = CommandTable(all_commands(), services=None, memberships=None)  # type: ignore[arg-type]
    document = asyncapi_document(table)
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=1) + b"\n")
    print(f"kept {len(document['components']['messages'])} messages")


if __name__ == "__main__":
    main()
