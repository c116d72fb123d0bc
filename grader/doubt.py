"""Bugs in doubt: a check that several planted bugs break says that one was left, not which."""

from __future__ import annotations

from collections.abc import Iterable

from task_spec.model import Bug


def shown_together(unrepaired: Iterable[Bug]) -> list[tuple[str, ...]]:
    """The ids of bugs whose checks failed, those together that a check joins, in their order."""
    groups: list[list[Bug]] = []
    for bug in unrepaired:
        joined = [group for group in groups if any(share_a_check(bug, other) for other in group)]
        groups = [group for group in groups if group not in joined]
        groups.append([*(other for group in joined for other in group), bug])
    return [tuple(bug.id for bug in group) for group in groups]


def share_a_check(one: Bug, other: Bug) -> bool:
    """Whether a check shows both."""
    return not set(one.checks).isdisjoint(other.checks)
