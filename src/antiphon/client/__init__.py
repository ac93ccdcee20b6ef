"""The Python client: connect, ask, watch, resume. Anyone may import it; it knows the protocol and nothing of the server.

async with AntiphonClient("http://127.0.0.1:8000", key=KEY) as client:
    async for event in client.ask("How many days of leave do I have?"):
        if isinstance(event, AnswerChunk):
            print(event.content, end="")

Tests: tests/unit/client, tests/properties/test_client_cuts.py. Rules: docs/protocol.md sections 3-7.
"""

from antiphon.client.answer import AnswerStream
from antiphon.client.client import AntiphonClient
from antiphon.client.connection import ConnectionState
from antiphon.client.events import UnknownEvent, typed_event
from antiphon.client.rest import RestClient
from antiphon.client.subscription import Subscription

__all__ = ["AnswerStream", "AntiphonClient", "ConnectionState", "RestClient", "Subscription", "UnknownEvent", "typed_event"]
