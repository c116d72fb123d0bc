"""Whoever calls the tools from outside, as an agent: each call is a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from grader.agents.base import Results, ToolCall, Turn
from grader.episode import GONE
from kernel_tool.results import Fault, Text, ToolResult

OVER = "The episode is over."


@dataclass(frozen=True)
class _Asked:
    call: ToolCall
    answer: asyncio.Future[ToolResult]


class OutsideAgent:
    """An agent whose calls are made by :meth:`call`.

    name, model: how it is called in the records. idle_seconds: how long it may stay silent; then
    the episode ends as one in which nothing was handed in.
    begun: is set once the tools can be called. over: whether they can't any more.
    """

    def __init__(self, name: str, model: str | None, idle_seconds: float) -> None:
        self.name, self.model = name, model
        self.begun = asyncio.Event()
        self.prompt = ""
        self.tools: list[dict[str, Any]] = []
        self._idle_seconds = idle_seconds
        self._asked: asyncio.Queue[_Asked | str] = asyncio.Queue()
        self._open: _Asked | None = None
        self.over = False
        self._ids = count(1)

    async def call(self, name: str, arguments: Any) -> ToolResult:
        """Serve one tool call, in the order in which they are made. Never raises but by
        cancellation."""
        if self.over:
            return ToolResult((Text(OVER),), Fault.MODEL)
        if not isinstance(arguments, Mapping):
            return ToolResult((Text(f"The arguments of {name} are no object."),), Fault.MODEL)
        call = ToolCall(f"call_{next(self._ids)}", name, arguments)
        asked = _Asked(call, asyncio.get_running_loop().create_future())
        self._asked.put_nowait(asked)
        return await asked.answer

    def leave(self, why: str) -> None:
        """End the episode without a submission."""
        self._asked.put_nowait(why)

    async def begin(self, prompt: str, tools: Sequence[Mapping[str, Any]]) -> Turn:
        self.prompt, self.tools = prompt, [dict(tool) for tool in tools]
        self.begun.set()
        return await self._next()

    async def turn(self, results: Results, note: str | None = None) -> Turn:  # noqa: ARG002
        self._answer(results)
        return await self._next()

    async def close(self, results: Results = ()) -> None:
        """Answers what is still open, now or later: the episode is over."""
        self._answer(results)
        self.over = True
        while not self._asked.empty():
            left = self._asked.get_nowait()
            if isinstance(left, _Asked):
                self._open = left
                self._answer(())
        self.begun.set()

    async def _next(self) -> Turn:
        try:
            asked = await asyncio.wait_for(self._asked.get(), self._idle_seconds)
        except TimeoutError:
            asked = f"no call for {self._idle_seconds / 60:g} minutes"
        if isinstance(asked, str):
            return Turn(text=asked, stop_reason=GONE)
        self._open = asked
        return Turn(calls=(asked.call,), stop_reason="tool_use")

    def _answer(self, results: Results) -> None:
        if self._open is None:
            return
        result = results[0][1] if results else ToolResult((Text(OVER),), Fault.MODEL)
        if not self._open.answer.done():  # whoever asked may have gone
            self._open.answer.set_result(result)
        self._open = None
