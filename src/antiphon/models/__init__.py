"""Models: chat, later embedding and rerank. One adapter per wire protocol; fakes in antiphon.testing."""
