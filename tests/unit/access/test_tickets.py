from __future__ import annotations

import pytest

from antiphon.access.identity import Identity
from antiphon.access.tickets import TICKETS_PER_USER, Tickets
from antiphon.core.errors import RateLimited, Unauthorized
from antiphon.core.ids import UserId
from antiphon.testing.simulated import SimulatedRuntime, simulated_runtime

ANN = Identity(user_id=UserId("usr_ann"), name="Ann", credential="lgn_1")
BOB = Identity(user_id=UserId("usr_bob"), name="Bob", credential="lgn_2")
ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture
def runtime() -> SimulatedRuntime:
    return simulated_runtime()


@pytest.fixture
def tickets(runtime: SimulatedRuntime) -> Tickets:
    return Tickets(runtime, lifetime_s=30.0)


def test_exactly_one_success(tickets: Tickets):
    ticket = tickets.issue(ANN, origin=ORIGIN)
    assert tickets.redeem(ticket, origin=ORIGIN) == ANN
    for _ in range(3):
        with pytest.raises(Unauthorized):
            tickets.redeem(ticket, origin=ORIGIN)


def test_not_after_its_time(tickets: Tickets, runtime: SimulatedRuntime):
    young, old = tickets.issue(ANN, origin=ORIGIN), tickets.issue(ANN, origin=ORIGIN)
    runtime.clock.pass_time(29.9)
    assert tickets.redeem(young, origin=ORIGIN) == ANN
    runtime.clock.pass_time(0.1)
    with pytest.raises(Unauthorized):
        tickets.redeem(old, origin=ORIGIN)


def test_a_clock_set_back_gives_no_second_life(tickets: Tickets, runtime: SimulatedRuntime):
    ticket = tickets.issue(ANN, origin=ORIGIN)
    runtime.clock.pass_time(31)
    runtime.clock.set_wall(runtime.clock.now() - 3600)
    with pytest.raises(Unauthorized):
        tickets.redeem(ticket, origin=ORIGIN)


@pytest.mark.parametrize(
    "origin", [None, "null", "http://127.0.0.1:8001", "https://127.0.0.1:8000", ORIGIN + "/", ORIGIN + ".evil.example"]
)
def test_bound_to_its_origin_and_burnt_by_another(tickets: Tickets, origin: str | None):
    ticket = tickets.issue(ANN, origin=ORIGIN)
    with pytest.raises(Unauthorized):
        tickets.redeem(ticket, origin=origin)
    with pytest.raises(Unauthorized):
        tickets.redeem(ticket, origin=ORIGIN)


def test_a_program_without_origin_gets_one_for_itself(tickets: Tickets):
    assert tickets.redeem(tickets.issue(ANN, origin=None), origin=None) == ANN


def test_bound_to_its_user(tickets: Tickets):
    with pytest.raises(Unauthorized):
        tickets.redeem(tickets.issue(ANN, origin=ORIGIN), origin=ORIGIN, presented=BOB)
    assert tickets.redeem(tickets.issue(ANN, origin=ORIGIN), origin=ORIGIN, presented=ANN) == ANN


@pytest.mark.parametrize("made_up", ["", "at_", "at_" + "0" * 43, "x" * 10_000, "\ud800"])
def test_made_up_ones(tickets: Tickets, made_up: str):
    tickets.issue(ANN, origin=ORIGIN)
    with pytest.raises(Unauthorized):
        tickets.redeem(made_up, origin=ORIGIN)


def test_all_refusals_read_the_same(tickets: Tickets, runtime: SimulatedRuntime):
    words: set[str] = set()
    used = tickets.issue(ANN, origin=ORIGIN)
    tickets.redeem(used, origin=ORIGIN)
    elsewhere = tickets.issue(ANN, origin="http://other")
    for ticket in (used, "at_made_up", elsewhere):
        with pytest.raises(Unauthorized) as caught:
            tickets.redeem(ticket, origin=ORIGIN)
        words.add(caught.value.message)
    assert len(words) == 1


def test_open_ones_are_bounded_and_expired_ones_forgotten(tickets: Tickets, runtime: SimulatedRuntime):
    for _ in range(TICKETS_PER_USER):
        tickets.issue(ANN, origin=ORIGIN)
    with pytest.raises(RateLimited):
        tickets.issue(ANN, origin=ORIGIN)
    tickets.issue(BOB, origin=ORIGIN)
    runtime.clock.pass_time(30)
    tickets.issue(ANN, origin=ORIGIN)
    assert len(tickets._open) == 1
