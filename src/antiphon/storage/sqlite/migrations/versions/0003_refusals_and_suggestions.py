"""Messages say that they are refusals, and keep what is suggested after them.

Revision 0003, follows 0002. Tests: tests/integration/test_schema_fixtures.py.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATEMENTS = ("ALTER TABLE messages ADD COLUMN refusal TEXT", "ALTER TABLE messages ADD COLUMN suggestions TEXT")


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
