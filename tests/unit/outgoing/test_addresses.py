from __future__ import annotations

from ipaddress import ip_address

import pytest

from antiphon.outgoing.addresses import kind_of, parsed_address


@pytest.mark.parametrize(
    "text", ["93.184.216.34", "1.1.1.1", "8.8.8.8", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::200e"]
)
def test_public_addresses(text: str):
    assert kind_of(ip_address(text))[0] == "public"


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "10.0.0.1", "192.168.0.1", "172.20.0.1", "100.64.0.1", "192.0.2.7", "240.0.0.1", "::1", "fc00::1", "2001:db8::1", "4000::1"]
)  # fmt: skip
def test_local_ones_an_administrator_may_allow(text: str):
    assert kind_of(ip_address(text))[0] == "local"


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "169.254.169.254", "168.63.129.16", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "fe80::1%eth0", "ff02::1",
        "fd00:ec2::254", "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2001:0:808:808::1",
    ],
)  # fmt: skip
def test_those_that_no_name_may_lead_to(text: str):
    assert kind_of(ip_address(text))[0] == "never"


def test_the_library_alone_would_let_some_through():
    """The floor of security.md: what `is_global` says of them is why the rules are written out."""
    let_through = [text for text in ("224.0.0.1", "2002:7f00:1::1", "64:ff9b::7f00:1") if ip_address(text).is_global]
    assert let_through
    assert all(kind_of(ip_address(text))[0] == "never" for text in let_through)


@pytest.mark.parametrize("text", ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.01", "", "example.org"])
def test_one_spelling_of_an_address(text: str):
    assert parsed_address(text) is None
