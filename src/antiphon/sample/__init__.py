"""The sample documents of a first start, written for it: fictional companies, nobody's data."""
