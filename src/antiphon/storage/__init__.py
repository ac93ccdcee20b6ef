"""Contracts and backends side by side: event log, records, lexical index, blobs, jobs. Memory and SQLite now.

Subsystem document: docs/subsystems/storage.md.
"""
