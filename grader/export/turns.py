"""The turns of a transcript, each call beside its result."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from grader.transcript import Call, Event, Note, ResultEvent, TurnEvent

UNANSWERED = "No result was recorded."
_ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Exchange:
    """A call and its result; None where the transcript was cut between the two."""

    call: Call
    result: ResultEvent | None


@dataclass(frozen=True)
class Step:
    """A turn of the agent with the answers to its calls."""

    turn: TurnEvent
    exchanges: tuple[Exchange, ...]

    @property
    def faults(self) -> set[str]:
        """Whose errors happened in it: ``model``, ``tool``."""
        results = (exchange.result for exchange in self.exchanges)
        return {result.fault for result in results if result and result.fault}


def steps(events: Iterable[Event]) -> list[Step | Note]:
    """The turns and the notes between them, in order."""
    found: list[Step | Note] = []
    turn: TurnEvent | None = None
    results: list[ResultEvent] = []
    notes: list[Note] = []
    for event in events:
        if isinstance(event, ResultEvent):
            results.append(event)
        elif isinstance(event, Note):
            notes.append(event)
        elif isinstance(event, TurnEvent):
            found += _closed(turn, results, notes)
            turn, results, notes = event, [], []
    return found + _closed(turn, results, notes)


def _closed(
    turn: TurnEvent | None, results: list[ResultEvent], notes: list[Note]
) -> list[Step | Note]:
    """A turn is over when the next begins; what came after it answers it."""
    if turn is None:
        return list(notes)
    # Ids are unique within a turn only: a scripted agent may use them again in the next.
    answers = {result.call_id: result for result in results}
    exchanges = tuple(Exchange(call, answers.get(call.id)) for call in turn.calls)
    return [Step(turn, exchanges), *notes]


class CallIds:
    """Ids of calls for a conversation as a whole, where each must occur once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, call: Call, turn: int) -> str:
        """The id of a call, made new if another turn has it too, or if it has odd characters."""
        key = call.id if _ID.fullmatch(call.id) else "call"
        while key in self._taken:
            key = f"{key}_{turn}"
        self._taken.add(key)
        return key
