"""The one interface an agent implements, and what passes through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
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

    @classmethod
    def of(cls, kinds: Mapping[str, int]) -> Usage:
        """From a record; a kind that is not there is 0, one that nobody knows is left out."""
        return cls(*(kinds.get(field.name, 0) for field in fields(cls)))

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
    """The agent's own machinery failed (its API, its network): never the model's failure.

    usage: tokens that the failed turn has used all the same.
    lasting: whether another attempt would fail, too (a refused key, an unknown model).
    """

    def __init__(self, text: str, *, usage: Usage | None = None, lasting: bool = False) -> None:
        super().__init__(text)
        self.usage = usage or Usage()
        self.lasting = lasting


Results = Sequence[tuple[ToolCall, ToolResult]]


class Agent(Protocol):
    """Drives one episode. A fresh agent is made for every attempt at a trial.

    ``begin`` and ``turn`` may raise :class:`AgentError`; the attempt then ends as
    ``infrastructure``.
    """

    name: str
    model: str | None

    async def begin(self, prompt: str, tools: Sequence[Mapping[str, Any]]) -> Turn:
        """The first turn, given the task's prompt and the tool definitions."""

    async def turn(self, results: Results, note: str | None = None) -> Turn:
        """The next turn, given the results of the last one's calls (in order), and a note from
        the episode (a budget that is nearly spent, a reminder to submit)."""

    async def close(self, results: Results = ()) -> None:
        """The episode is over, for whatever reason; ``results`` of calls that no turn was given."""
