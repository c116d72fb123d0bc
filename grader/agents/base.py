"""The one interface an agent implements, and what passes through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kernel_tool.results import ToolResult


@dataclass(frozen=True)
class ToolCall:
    """A tool call as the agent made it; ``arguments`` are not validated yet."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Usage:
    """Tokens of one turn by kind."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
        )

    @property
    def total(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write


@dataclass(frozen=True)
class Turn:
    """What the agent said and the tools it called; no calls means that it believes it is done."""

    text: str = ""
    thinking: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    stop_reason: str = "end_turn"


class AgentError(Exception):
    """The agent's own machinery failed (its API, its network): never the model's failure."""


class Agent(Protocol):
    """Drives one episode. A fresh agent is made for every trial.

    ``turn`` may raise :class:`AgentError`; the trial then ends as ``infrastructure``.
    """

    name: str
    model: str | None

    async def begin(self, prompt: str, tools: Sequence[Mapping[str, Any]]) -> Turn:
        """The first turn, given the task's prompt and the tool definitions."""

    async def turn(
        self, results: Sequence[tuple[ToolCall, ToolResult]], note: str | None = None
    ) -> Turn:
        """The next turn, given the results of the last one's calls (in order), and a note from
        the episode (a budget that is nearly spent, a reminder to submit)."""
