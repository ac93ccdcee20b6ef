from __future__ import annotations

import pytest

from antiphon.library.web.pace import Pace
from antiphon.library.web.robots import LONGEST_DELAY_S, Robots
from antiphon.outgoing.url import parse_url
from antiphon.testing.simulated import simulated_runtime


def allows(text: str, path: str) -> bool:
    return Robots.parse(text).allows(parse_url(f"http://h.example{path}"))


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("", "/a", True), ("Disallow: /", "/a", False), ("Disallow:", "/a", True), ("Disallow: /a", "/ab", False), ("Disallow: /a/", "/a", True),
        ("Disallow: /\nAllow: /a", "/a/b", True), ("Allow: /a\nDisallow: /a", "/a", True), ("Disallow: /*.pdf$", "/x/y.pdf", False),
        ("Disallow: /*.pdf$", "/x/y.pdf?z", True), ("Disallow: /*?", "/x?y", False), ("Disallow: /a*b*c", "/a1c2b3c", False),
        ("Disallow: /a*b*c", "/acb", True), ("Disallow: /$", "/", False), ("Disallow: /$", "/a", True), ("Disallow: /手册", "/%E6%89%8B%E5%86%8C/x", False),
        ("Disallow: /", "/robots.txt", True), ("Disallow: *x", "/ax", False),
    ],
)  # fmt: skip
def test_the_longest_rule_wins(rules: str, path: str, allowed: bool):
    assert allows(f"User-agent: *\n{rules}\n", path) is allowed


def test_our_own_group_goes_before_the_others():
    text = "User-agent: other\nUser-agent: Antiphon/1.0\nDisallow: /b # ours\n\nUser-agent: *\nDisallow: /\n\nUser-agent: antiphon\nDisallow: /c\n"
    assert [allows(text, path) for path in ("/a", "/b", "/c")] == [True, False, False]


def test_delay_and_sitemaps():
    found = Robots.parse(
        "Sitemap: http://h.example/s.xml\nUser-agent: *\nCrawl-delay: 2.5\nnonsense\nCrawl-delay: x\nSitemap: /t.xml"
    )
    assert (found.delay_s, found.sitemaps) == (2.5, ("http://h.example/s.xml", "/t.xml"))
    assert Robots.parse("User-agent: *\nCrawl-delay: 99999").delay_s == LONGEST_DELAY_S
    assert Robots.parse("User-agent: *\nCrawl-delay: -5").delay_s == 0


def test_a_rule_of_stars_costs_nothing():
    assert allows("User-agent: *\nDisallow: /" + "a*" * 5000 + "b", "/" + "a" * 1500) is True


async def test_turns_at_one_site_are_apart_and_sites_do_not_wait_for_each_other():
    runtime = simulated_runtime()
    pace, done = Pace(runtime), list[tuple[str, float]]()
    began = runtime.clock.monotonic()

    async def turn(site: str) -> None:
        await pace.turn(site, 2.0)
        done.append((site, runtime.clock.monotonic() - began))

    for site in ("a", "a", "b", "a"):
        runtime.scheduler.spawn(turn(site), name=site)
    await runtime.advance(10)
    assert done == [("a", 0.0), ("b", 0.0), ("a", 2.0), ("a", 4.0)]
