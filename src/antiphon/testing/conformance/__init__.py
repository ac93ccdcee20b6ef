"""Conformance suites: one class for each storage contract. Every backend must pass its suite; so should yours.

A suite is a plain class of pytest tests that ask for one fixture, named as the suite says. Run it over a backend by
subclassing:

    from antiphon.testing.conformance.blobs import BlobStoreSuite

    class TestMyBlobStore(BlobStoreSuite):
        @pytest.fixture
        async def blobs(self, tmp_path):
            yield MyBlobStore(tmp_path)

Needs pytest with pytest-asyncio in automatic mode.
"""
