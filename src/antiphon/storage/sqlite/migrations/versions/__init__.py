"""One file a revision, numbered from 0001. A released one is never changed."""
