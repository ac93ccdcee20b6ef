from __future__ import annotations

import pytest

from antiphon.access.safety import check_settings
from antiphon.core.errors import UnsafeSettings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.2", "example.com", "127.0.0.1.nip.io"])
def test_no_accounts_on_anything_but_this_machine_is_refused(host: str):
    with pytest.raises(UnsafeSettings, match=r"--no-auth.*127\.0\.0\.1.*\.$"):
        check_settings(host=host, no_auth=True, owner_key=None)
    check_settings(host=host, no_auth=False, owner_key=None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_no_accounts_on_this_machine_is_allowed(host: str):
    assert check_settings(host=host, no_auth=True, owner_key=None) is None  # nothing to say


@pytest.mark.parametrize("key", ["", "x" * 31, "x" * 600, "x" * 32 + "\n", " " + "x" * 32, "schlüssel" * 5])
def test_an_owner_key_that_is_short_or_can_not_be_sent_is_refused_without_being_shown(key: str):
    with pytest.raises(UnsafeSettings, match="ANTIPHON_OWNER_KEY") as caught:
        check_settings(host="127.0.0.1", no_auth=False, owner_key=key)
    assert not key or key not in caught.value.message


def test_any_string_of_32_characters_will_do():
    assert check_settings(host="127.0.0.1", no_auth=False, owner_key="k" * 32) is None


def test_wrong_origins_are_found_at_start():
    check_settings(host="127.0.0.1", no_auth=False, owner_key=None, origins="https://a.example, https://b.example")
    with pytest.raises(UnsafeSettings):
        check_settings(host="127.0.0.1", no_auth=False, owner_key=None, origins="https://a.example,*")
