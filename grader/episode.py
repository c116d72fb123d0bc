"""One episode: an agent drives a session's tools until it submits or a budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from grader.agents.base import Agent, ToolCall, Turn, Usage
from grader.transcript import End, Note, ResultEvent, Transcript, TurnEvent
from kernel_tool.results import ToolResult
from kernel_tool.session import Session
from task_spec.model import Budgets

EndReason = Literal["submitted", "no_submission", "out_of_budget"]
Progress = Callable[[str], None]

REMINDERS = 2
GRACE_TURNS = 4  # turns that an agent has left to submit once its tool calls are spent
_FINAL = ("refusal", "model_context_window_exceeded")
_REMINDER = (
    "You ended your turn without a call, and nothing has been handed in. Go on, or hand in what "
    "you have with `submit`."
)
_LOW = "You have {left:,} of {all:,} tokens left. Submit before they are spent."


@dataclass(frozen=True)
class EpisodeEnd:
    """How an episode ended, and what it used."""

    reason: EndReason
    detail: str
    turns: int
    usage: Usage


class _Episode:
    def __init__(
        self,
        agent: Agent,
        session: Session,
        budgets: Budgets,
        transcript: Transcript,
        progress: Progress,
    ) -> None:
        self.agent, self.session, self.budgets = agent, session, budgets
        self.transcript, self.progress = transcript, progress
        self.usage, self.turns = Usage(), 0
        self.reminders, self.grace, self.warned = REMINDERS, GRACE_TURNS, False

    async def run(self, prompt: str) -> EpisodeEnd:
        started = time.monotonic()
        turn = await self.agent.begin(prompt, self.session.definitions)
        while True:
            self._record(turn, time.monotonic() - started)
            results = [(call, await self._call(call)) for call in turn.calls]
            ended = self._ended(turn)
            if ended is not None:
                return EpisodeEnd(*ended, self.turns, self.usage)
            note = self._note(turn)
            if note is not None:
                self.transcript.write(Note(text=note))
            self.progress(f"turn {self.turns + 1}: thinking")
            started = time.monotonic()
            turn = await self.agent.turn(results, note)

    def _record(self, turn: Turn, seconds: float) -> None:
        self.turns += 1
        self.usage += turn.usage
        self.transcript.write(TurnEvent.of(self.turns, turn, seconds))

    async def _call(self, call: ToolCall) -> ToolResult:
        self.progress(f"turn {self.turns}: {call.name}")
        started = time.monotonic()
        result = await self.session.call(call.name, call.arguments)
        event = ResultEvent.of(call.id, call.name, result, time.monotonic() - started)
        self.transcript.write(event)
        return result

    def _ended(self, turn: Turn) -> tuple[EndReason, str] | None:
        if self.session.submission is not None:
            return "submitted", ""
        if turn.stop_reason in _FINAL:
            return "no_submission", f"the model stopped: {turn.stop_reason}"
        if self.usage.total > self.budgets.tokens:
            return "out_of_budget", f"{self.usage.total:,} tokens used"
        if self.session.exhausted:
            self.grace -= 1
            if self.grace < 0 or not turn.calls:
                return "out_of_budget", "tool calls or kernel time used up, nothing submitted"
        if not turn.calls:
            self.reminders -= 1
            if self.reminders < 0:
                return "no_submission", "the agent ended its turn without submitting"
        return None

    def _note(self, turn: Turn) -> str | None:
        left = self.budgets.tokens - self.usage.total
        if not self.warned and left < self.budgets.tokens / 10:
            self.warned = True
            return _LOW.format(left=left, all=self.budgets.tokens)
        return None if turn.calls else _REMINDER


async def run_episode(
    agent: Agent,
    session: Session,
    prompt: str,
    budgets: Budgets,
    transcript: Transcript,
    progress: Progress = lambda _: None,
) -> EpisodeEnd:
    """Run one episode. Writes every step to the transcript, and its end even if it is cut short.

    AgentError passes through: the trial ends as ``infrastructure``.
    """
    try:
        end = await _Episode(agent, session, budgets, transcript, progress).run(prompt)
    except Exception as error:
        transcript.write(End(reason="infrastructure", detail=str(error) or repr(error)))
        raise
    except BaseException:
        transcript.write(End(reason="interrupted"))
        raise
    transcript.write(End(reason=end.reason, detail=end.detail))
    return end
