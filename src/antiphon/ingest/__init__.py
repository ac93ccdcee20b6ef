"""From a file to searchable chunks with their places: parse -> chunk -> tokens in worker processes, index by jobs."""
