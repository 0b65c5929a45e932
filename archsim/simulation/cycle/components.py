"""Which tasks of a template can be scheduled before which: the groups that wait for each other.

Task u influences v if v needs u, or if they share a resource and some instance of u may claim it
before one of v.  The latter is ruled out where all of v comes after a barrier that all of u has to
reach.  Groups of tasks that influence each other both ways (strongly connected components) must be
scheduled together; the groups themselves one after the other.

Sets of tasks are Python integers with one bit per task, so a network of thousands of tasks on one
shared unit costs no table of all pairs.
"""

from __future__ import annotations

from collections.abc import Callable

from archsim.simulation.cycle.template import Template


def components(template: Template, extra: list[tuple[int, int]]) -> list[list[int]]:
    """Groups of task indices, each after those that influence it.

    `extra` are further influences (source, target), such as windows.
    """
    size = template.size
    everyone = (1 << size) - 1
    ahead, behind = [0] * size, [0] * size
    pairs = [*zip(template.source.tolist(), template.target.tolist(), strict=True), *extra]
    for source, target in pairs:
        ahead[source] |= 1 << target
        behind[target] |= 1 << source
    after, before = _across_barriers(template)
    users = [0] * len(template.resources.names)
    for task, resource in zip(
        template.holds.row.tolist(), template.holds.item.tolist(), strict=True
    ):
        users[resource] |= 1 << task
    for task, held in enumerate(template.holds.lists()):
        for resource, _ in held:
            ahead[task] |= users[resource] & (everyone ^ before[task])
            behind[task] |= users[resource] & (everyone ^ after[task])
    return _strong_components(ahead, behind)


def _across_barriers(template: Template) -> tuple[list[int], list[int]]:
    """For each task those whose instances all come after all of its, and those all before.

    These are the tasks that it reaches, or is reached from, through one that happens once.
    """
    follow: list[list[int]] = [[] for _ in range(template.size)]
    lead: list[list[int]] = [[] for _ in range(template.size)]
    for source, target, lag in zip(
        template.source.tolist(), template.target.tolist(), template.lag.tolist(), strict=True
    ):
        if lag == 0:
            follow[source].append(target)
            lead[target].append(source)
    once = template.once.tolist()
    forward = range(template.size)
    return _through_once(follow, once, forward[::-1]), _through_once(lead, once, forward)


def _through_once(links: list[list[int]], once: list[bool], order: range) -> list[int]:
    """Sets of tasks reached by a path with a task that happens once, ends included.

    `order` visits every task after all that its links lead to.
    """
    reach, found = [0] * len(links), [0] * len(links)
    for task in order:
        for other in links[task]:
            beyond = reach[other] | 1 << other
            reach[task] |= beyond
            found[task] |= beyond if once[task] or once[other] else found[other]
    return found


def _strong_components(ahead: list[int], behind: list[int]) -> list[list[int]]:
    """Strongly connected components in topological order, by two depth-first walks (Kosaraju)."""
    finished: list[int] = []
    left = (1 << len(ahead)) - 1
    for root in range(len(ahead)):
        left = _walk(root, ahead, left, finished.append)
    groups: list[list[int]] = []
    left = (1 << len(ahead)) - 1
    for root in reversed(finished):
        group: list[int] = []
        left = _walk(root, behind, left, group.append)
        if group:
            groups.append(sorted(group))
    return groups


def _walk(root: int, links: list[int], left: int, leave: Callable[[int], None]) -> int:
    """Depth first from `root` through the tasks in `left`; gives those not reached."""
    if not left >> root & 1:
        return left
    left ^= 1 << root
    path = [root]
    while path:
        open_links = links[path[-1]] & left
        if open_links:
            lowest = open_links & -open_links
            left ^= lowest
            path.append(lowest.bit_length() - 1)
        else:
            leave(path.pop())
    return left
