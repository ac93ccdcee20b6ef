"""Search by words and by meaning, fused and ordered anew -> passages with exact places. Subsystem: docs/subsystems/retrieval.md."""
