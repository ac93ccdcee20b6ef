"""Alembic revisions of the SQLite file, run by `upgrade` in one transaction. No command line, no env.py."""
