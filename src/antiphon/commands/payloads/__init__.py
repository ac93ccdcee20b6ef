"""The payloads of the verbs, one module per room. Extra fields are refused, every text and list is bounded."""
