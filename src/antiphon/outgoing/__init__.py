"""The guarded outgoing client: every request to an address that a user named goes through here. Imports core only."""
