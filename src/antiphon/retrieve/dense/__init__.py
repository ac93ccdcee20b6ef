"""Search by meaning in memory: matrices (faiss, or numpy without it), and the cache of them that is derived from the store."""
