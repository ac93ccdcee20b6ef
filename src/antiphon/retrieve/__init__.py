"""Lexical (later dense, fusion, rerank) search -> passages with exact places. Subsystem: docs/subsystems/retrieval.md."""
