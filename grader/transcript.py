"""The transcript of an episode: JSON lines, written and flushed as they happen."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from grader.agents.base import Turn, Usage
from kernel_tool.results import Image, Text, ToolResult


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    time: float = Field(default_factory=time.time, description="seconds since the epoch")


class Start(_Event):
    """The first line: who is asked what, with which tools."""

    type: Literal["start"] = "start"
    task: str
    variant: str
    agent: str
    model: str | None
    seed: int
    prompt: str
    tools: list[dict[str, Any]]


class Call(BaseModel):
    """A tool call inside a turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    name: str
    arguments: dict[str, Any]


class TurnEvent(_Event):
    """One turn of the agent."""

    type: Literal["turn"] = "turn"
    n: int
    text: str
    thinking: str
    calls: list[Call]
    usage: dict[str, int]
    stop_reason: str
    seconds: float

    @classmethod
    def of(cls, n: int, turn: Turn, seconds: float) -> TurnEvent:
        return cls(
            n=n,
            text=turn.text,
            thinking=turn.thinking,
            calls=[Call(id=c.id, name=c.name, arguments=dict(c.arguments)) for c in turn.calls],
            usage=asdict(turn.usage),
            stop_reason=turn.stop_reason,
            seconds=seconds,
        )


class TextPart(BaseModel):
    type: Literal["text"] = "text"
    text: str


class ImagePart(BaseModel):
    type: Literal["image"] = "image"
    media_type: str
    data: str = Field(description="base64")


class ResultEvent(_Event):
    """The answer to one call. ``fault`` says whose error it was: the model's or the tool's."""

    type: Literal["result"] = "result"
    call_id: str
    name: str
    content: list[Annotated[TextPart | ImagePart, Field(discriminator="type")]]
    fault: Literal["model", "tool"] | None
    seconds: float

    @classmethod
    def of(cls, call_id: str, name: str, result: ToolResult, seconds: float) -> ResultEvent:
        return cls(
            call_id=call_id,
            name=name,
            content=[_part(part) for part in result.content],
            fault=None if result.fault is None else result.fault.value,
            seconds=seconds,
        )


class Note(_Event):
    """What the episode itself told the agent (a budget nearly spent, a reminder to submit)."""

    type: Literal["note"] = "note"
    text: str


class End(_Event):
    """The last line: how the episode ended.

    ``usage``: tokens of a turn that failed, which no turn above has.
    """

    type: Literal["end"] = "end"
    reason: Literal["submitted", "no_submission", "out_of_budget", "infrastructure", "interrupted"]
    detail: str = ""
    usage: dict[str, int] = Field(default_factory=dict)
    kernel_seconds: float | None = None

    @property
    def played(self) -> bool:
        """Whether the agent came to an end of its own, which can be judged."""
        return self.reason not in ("infrastructure", "interrupted")


Event = Annotated[Start | TurnEvent | ResultEvent | Note | End, Field(discriminator="type")]
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def _part(part: Text | Image) -> TextPart | ImagePart:
    if isinstance(part, Text):
        return TextPart(text=part.text)
    return ImagePart(media_type=part.media_type, data=base64.b64encode(part.data).decode())


class Transcript:
    """Appends events to a file, flushing each, so that a killed run keeps what it did.

    ``listener`` is told each event once it is written.
    """

    def __init__(self, path: Path, listener: Callable[[Event], None] = lambda _: None) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._listener = listener

    def write(self, event: Event) -> None:
        self._file.write(json.dumps(event.model_dump(mode="json")) + "\n")
        self._file.flush()
        if isinstance(event, End):
            os.fsync(self._file.fileno())
        self._listener(event)

    def __enter__(self) -> Transcript:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def read_transcript(path: Path) -> Iterator[Event]:
    """The events of a transcript; a last line cut by a kill is left out."""
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
        # By Python's parser: it takes halves of surrogate pairs, which a model may write.
        yield _EVENT.validate_python(json.loads(line))


@dataclass(frozen=True)
class Tally:
    """What an episode used, counted from its events."""

    turns: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    model_errors: int = 0
    usage: Usage = field(default_factory=Usage)

    @classmethod
    def of(cls, events: Iterable[Event]) -> Tally:
        events = list(events)
        turns = [event for event in events if isinstance(event, TurnEvent)]
        results = [event for event in events if isinstance(event, ResultEvent)]
        used = [event.usage for event in events if isinstance(event, TurnEvent | End)]
        return cls(
            turns=len(turns),
            tool_calls=len(results),
            tool_errors=sum(result.fault == "tool" for result in results),
            model_errors=sum(result.fault == "model" for result in results),
            usage=sum((Usage.of(each) for each in used), Usage()),
        )
