"""Order, circles and reachability."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.flows.graph import cyclic_nodes, reaching, topological_order

EDGES = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=12)


def test_order_keeps_to_the_order_given_among_equals() -> None:
    assert topological_order(["c", "a", "b"], [("b", "a")]) == ["c", "b", "a"]


def test_a_circle_is_named_without_what_leads_in_or_out() -> None:
    edges = [("in", "a"), ("a", "b"), ("b", "a"), ("b", "out")]
    assert cyclic_nodes(["in", "a", "b", "out"], edges) == ["a", "b"]
    assert cyclic_nodes(["a"], [("a", "a")]) == ["a"]


def test_a_long_chain_meets_no_recursion_limit() -> None:
    nodes = [str(n) for n in range(5000)]
    edges = list(pairwise(nodes))
    assert topological_order(nodes, edges) == nodes
    assert cyclic_nodes(nodes, [*edges, (nodes[-1], nodes[0])]) == nodes
    assert len(reaching([nodes[-1]], edges)) == 5000


@settings(deadline=None)  # the machine is shared
@given(EDGES)
def test_order_and_circles_agree(edges: list[tuple[str, str]]) -> None:
    nodes = list("abcdef")
    order = topological_order(nodes, edges)
    place = {node: n for n, node in enumerate(order)}
    assert all(place[source] < place[target] for source, target in edges if target in place)
    assert (len(order) == len(nodes)) == (cyclic_nodes(nodes, edges) == [])


@settings(deadline=None)  # the machine is shared
@given(EDGES)
def test_reaching_is_closed(edges: list[tuple[str, str]]) -> None:
    found = reaching(["a"], edges)
    assert "a" in found
    assert all(source in found for source, target in edges if target in found)
