"""Blobs: the original files, content-addressed and reference-counted."""
