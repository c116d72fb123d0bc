"""What an episode may use, and what it has used."""

from __future__ import annotations

from dataclasses import dataclass, field

from kernel_tool.execution import OutputCaps
from kernel_tool.outputs import RenderCaps

# What is left is mentioned in every answer once it falls below this share.
_LOW = 0.2


@dataclass(frozen=True)
class Limits:
    """Budgets of an episode and caps of its calls.

    max_calls: tool calls. kernel_seconds: wall time of all executions together.
    cell_timeout: seconds a cell may run unless a call says otherwise.
    kept: what is kept of one execution's output. shown: what the model sees of it.
    """

    max_calls: int = 100
    kernel_seconds: float = 1_800.0
    cell_timeout: float = 120.0
    kept: OutputCaps = field(default_factory=OutputCaps)
    shown: RenderCaps = field(default_factory=RenderCaps)


@dataclass(frozen=True)
class Status:
    """What has been used so far: calls, seconds of execution, and seconds of CPU time."""

    calls: int
    max_calls: int
    kernel_seconds: float
    max_kernel_seconds: float
    cpu_seconds: float


@dataclass
class Ledger:
    """Counts calls and execution time against the limits."""

    limits: Limits
    calls: int = 0
    kernel_seconds: float = 0.0

    @property
    def calls_left(self) -> int:
        return max(0, self.limits.max_calls - self.calls)

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.limits.kernel_seconds - self.kernel_seconds)

    @property
    def exhausted(self) -> bool:
        """Whether calls or execution time have been used up."""
        return self.calls_left == 0 or self.seconds_left == 0

    def footer(self) -> str:
        """What is left, once it is little; otherwise nothing."""
        low_calls = self.calls_left < _LOW * self.limits.max_calls
        low_time = self.seconds_left < _LOW * self.limits.kernel_seconds
        if not (low_calls or low_time):
            return ""
        return (
            f"[left: {self.calls_left} of {self.limits.max_calls} calls, "
            f"{self.seconds_left:.0f} of {self.limits.kernel_seconds:.0f} s of execution time. "
            "Submit before they are used up.]"
        )
