"""The one SQLite file of an embedded server: its writer, its readers, its schema. Storage backends stand on it."""
