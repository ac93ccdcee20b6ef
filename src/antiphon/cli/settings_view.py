"""`antiphon config`: the settings in force. Tests: tests/unit/cli/test_lists.py."""

from __future__ import annotations

from antiphon.cli.house import AsJson, DataDir
from antiphon.cli.terminal import write_json, write_table
from antiphon.config import load_settings
from antiphon.config.fields import effective_value, setting_fields


def config(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show every setting with its environment name and the value in force; secrets are masked."""
    settings = load_settings(data_dir=data_dir)
    values = [(field, effective_value(settings, field)) for field in setting_fields()]
    if as_json:
        write_json({field.environment: value for field, value in values})
        return
    rows = [[field.environment, "" if value is None else str(value), field.unit, field.sentence] for field, value in values]
    write_table(["environment", "value", "unit", ""], rows, empty="")
