"""Order, circles and reachability over node ids. Pure and iterative: a long chain meets no recursion limit.

Called by validate.py and plan.py. Tests: tests/unit/flows/test_graph.py.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence


def topological_order(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[str]:
    """Every node after those that lead to it; equals in the order given. Nodes in or behind a circle are left out."""
    followers: defaultdict[str, list[str]] = defaultdict(list)
    waiting = dict.fromkeys(nodes, 0)
    for source, target in edges:
        followers[source].append(target)
        waiting[target] += 1
    free = deque(node for node in nodes if waiting[node] == 0)
    order: list[str] = []
    while free:
        node = free.popleft()
        order.append(node)
        for follower in followers[node]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                free.append(follower)
    return order


def cyclic_nodes(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[str]:
    """The nodes that lie on a circle or between two, in the order given; [] when there is none."""
    ahead = set(topological_order(nodes, edges))
    rest = [node for node in nodes if node not in ahead]
    inside = set(rest)
    backwards = [(target, source) for source, target in edges if source in inside and target in inside]
    behind = set(topological_order(rest, backwards))
    return [node for node in rest if node not in behind]


def reaching(targets: Iterable[str], edges: Iterable[tuple[str, str]]) -> set[str]:
    """`targets` and every node from which one of them can be reached."""
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        sources[target].append(source)
    found = set(targets)
    queue = deque(found)
    while queue:
        for source in sources[queue.popleft()]:
            if source not in found:
                found.add(source)
                queue.append(source)
    return found
