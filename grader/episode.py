"""One episode: an agent drives a session's tools until it submits or a budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Literal

from grader.agents.base import Agent, Results, ToolCall, Turn, Usage
from grader.transcript import End, Event, Note, ResultEvent, TurnEvent
from kernel_tool.results import ToolResult
from kernel_tool.session import Session
from task_spec.model import Budgets

EndReason = Literal["submitted", "no_submission", "out_of_budget"]

REMINDERS = 2
GRACE_TURNS = 4  # turns that an agent has left to submit once its tool calls are spent
GONE = "gone"  # stop reason of an agent that can't be reached any more
_FINAL = ("refusal", "model_context_window_exceeded", GONE)
_REMINDER = (
    "You ended your turn without a call, and nothing has been handed in. Go on, or hand in what "
    "you have with `submit`."
)
_LOW = "You have {left:,} of {all:,} tokens left. Submit before they are spent."


class _Episode:
    def __init__(
        self, agent: Agent, session: Session, budgets: Budgets, write: Callable[[Event], None]
    ) -> None:
        self.agent, self.session, self.budgets, self.write = agent, session, budgets, write
        self.usage, self.turns = Usage(), 0
        self.reminders, self.grace, self.warned = REMINDERS, GRACE_TURNS, False
        self.results: Results = ()

    async def run(self, prompt: str) -> End:
        started = time.monotonic()
        turn = await self.agent.begin(prompt, self.session.definitions)
        while True:
            self._record(turn, time.monotonic() - started)
            self.results = [(call, await self._call(call)) for call in turn.calls]
            ended = self._ended(turn)
            if ended is not None:
                reason, detail = ended
                return End(reason=reason, detail=detail, kernel_seconds=self.session.kernel_seconds)
            note = self._note(turn)
            if note is not None:
                self.write(Note(text=note))
            started = time.monotonic()
            given, self.results = self.results, ()
            turn = await self.agent.turn(given, note)

    def _record(self, turn: Turn, seconds: float) -> None:
        self.turns += 1
        self.usage += turn.usage
        self.write(TurnEvent.of(self.turns, turn, seconds))

    async def _call(self, call: ToolCall) -> ToolResult:
        started = time.monotonic()
        result = await self.session.call(call.name, call.arguments)
        self.write(ResultEvent.of(call.id, call.name, result, time.monotonic() - started))
        return result

    def _ended(self, turn: Turn) -> tuple[EndReason, str] | None:
        if self.session.submission is not None:
            return "submitted", ""
        if turn.stop_reason in _FINAL:
            return "no_submission", turn.text if turn.stop_reason == GONE else _stopped(turn)
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


def _stopped(turn: Turn) -> str:
    return f"the model stopped: {turn.stop_reason}"


async def run_episode(
    agent: Agent, session: Session, prompt: str, budgets: Budgets, write: Callable[[Event], None]
) -> End:
    """Run one episode; each step goes to ``write`` as it happens.

    Returns its end, which is for the caller to write once what was handed in is kept. An end that
    is cut short is written here, and what cut it passes through: AgentError, cancellation.
    The agent is closed in any case.
    """
    episode = _Episode(agent, session, budgets, write)
    try:
        return await episode.run(prompt)
    except Exception as error:
        usage = asdict(getattr(error, "usage", Usage()))
        write(End(reason="infrastructure", detail=str(error) or repr(error), usage=usage))
        raise
    except BaseException:
        write(End(reason="interrupted"))
        raise
    finally:
        await agent.close(episode.results)
