"""Records: the typed rows of the store of record, read only with a Scope."""
