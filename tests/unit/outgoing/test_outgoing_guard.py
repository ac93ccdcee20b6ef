from __future__ import annotations

import pytest

from antiphon.core.errors import BadRequest, UrlRefused, UrlUnreachable
from antiphon.outgoing.allowance import Allowance
from antiphon.outgoing.guard import Guard
from antiphon.outgoing.resolver import SystemResolver
from antiphon.testing.web_site import FakeNames


async def test_all_addresses_of_a_public_name_are_given_in_order():
    names = FakeNames(out_example=[["93.184.216.34", "2606:2800::1"]])
    admitted = await Guard(resolver=names).admit("http://out.example/x", "url")
    assert [str(address) for address in admitted.addresses] == ["93.184.216.34", "2606:2800::1"]
    assert (str(admitted.url), admitted.purpose, names.asked) == ("http://out.example/x", "url", ["out.example"])


async def test_an_address_needs_no_name_server():
    admitted = await Guard(resolver=FakeNames()).admit("https://93.184.216.34/", "model")
    assert [str(address) for address in admitted.addresses] == ["93.184.216.34"]


async def test_a_refusal_says_what_an_administrator_can_do():
    with pytest.raises(UrlRefused, match=r"ANTIPHON_OUTGOING_ALLOW=model:inside\.example:8080"):
        await Guard(resolver=FakeNames(inside_example=[["10.0.0.1"]])).admit("http://inside.example:8080/", "model")


async def test_what_has_no_address_is_told_apart():
    with pytest.raises(UrlUnreachable):
        await Guard(resolver=FakeNames()).admit("http://nowhere.example/", "url")
    with pytest.raises(BadRequest):
        await Guard(resolver=FakeNames()).admit("nowhere", "url")


async def test_allowed_opens_a_port_that_is_blocked_too():
    guard = Guard(Allowance.parse("url:10.0.0.1:6379"))
    assert (await guard.admit("http://10.0.0.1:6379/", "url")).addresses


async def test_the_system_knows_this_machine():
    found = await SystemResolver().resolve("localhost", 80)
    assert found
    assert all(address.is_loopback for address in found)
