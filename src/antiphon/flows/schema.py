"""`definition_schema()`: the JSON Schema of a saved flow, for editors and documentation. Tests: tests/unit/flows/test_codec.py."""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.flows.definition import FlowDefinition


def definition_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the file format. It knows no node types: those are checked by `validate`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Antiphon flow",
        **msgspec.json.schema(FlowDefinition),
    }
