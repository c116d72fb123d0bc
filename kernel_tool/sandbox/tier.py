"""The ways to confine a kernel, strongest first."""

from __future__ import annotations

from enum import Enum


class Tier(Enum):
    """How kernels are kept apart from the machine that they run on."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"

    @property
    def description(self) -> str:
        return _DESCRIPTIONS[self]


CONFINING = (Tier.BUBBLEWRAP, Tier.LANDLOCK)

_DESCRIPTIONS = {
    Tier.BUBBLEWRAP: "namespaces by bubblewrap; within them Landlock, seccomp and rlimits",
    Tier.LANDLOCK: "Landlock, seccomp and rlimits, without namespaces",
    Tier.NONE: "no confinement: code in a kernel can do whatever this user can",
}
