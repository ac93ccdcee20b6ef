from __future__ import annotations

import pytest

from antiphon.access.sign_in_links import SignInLinks
from antiphon.core.errors import Unauthorized
from antiphon.core.ids import UserId
from antiphon.testing.simulated import simulated_runtime

OWNER = UserId("usr_owner")


def test_works_exactly_once():
    links = SignInLinks(simulated_runtime())
    token = links.issue(OWNER)
    assert links.redeem(token) == OWNER
    with pytest.raises(Unauthorized):
        links.redeem(token)


@pytest.mark.parametrize("wrong", ["", "as_", "\ud800", "x" * 100_000])
def test_a_wrong_token_uses_nothing_up(wrong: str):
    links = SignInLinks(simulated_runtime())
    token = links.issue(OWNER)
    for attempt in (wrong, token[:-1], token + "0", token.upper()):
        with pytest.raises(Unauthorized):
            links.redeem(attempt)
    assert links.redeem(token) == OWNER


@pytest.mark.parametrize("guess", ["", "as_0"])
def test_nothing_is_open_before_a_link_was_made(guess: str):
    with pytest.raises(Unauthorized):
        SignInLinks(simulated_runtime()).redeem(guess)


def test_a_new_link_replaces_the_last_and_time_ends_it():
    runtime = simulated_runtime()
    links = SignInLinks(runtime, lifetime_s=60.0)
    first, second = links.issue(OWNER), links.issue(OWNER)
    with pytest.raises(Unauthorized):
        links.redeem(first)
    runtime.clock.pass_time(60)
    with pytest.raises(Unauthorized):
        links.redeem(second)
