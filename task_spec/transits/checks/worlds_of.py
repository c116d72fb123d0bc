"""In which worlds a check measures, and what they share."""

from __future__ import annotations

from typing import Any

from task_spec.model import Evidence

FULL = ("published", "fresh")
ALL = ("published", "fresh", "small")


def run_of(e: Evidence) -> dict[str, Any]:
    """What was watched while the notebook ran."""
    return dict(e.claims["run"])
