"""Vectors of chunks in the store of record: contract, SQLite and memory. Their search in memory is retrieve/dense."""
