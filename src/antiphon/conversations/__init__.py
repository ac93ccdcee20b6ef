"""Sessions and their messages: created, listed, shared, exported. Imports storage, retrieve, access, protocol and core."""
