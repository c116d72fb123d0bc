"""In which worlds a check measures."""

from __future__ import annotations

FULL = ("published", "fresh")
ALL = ("published", "fresh", "small")
