"""The lexical index: chunks with their places, and one FTS5 table per workspace."""
