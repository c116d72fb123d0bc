"""A trial as a sample of an Inspect log: its messages, its score, what it used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from inspect_ai.log import EvalError, EvalSample
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageTool,
    ChatMessageUser,
    Content,
    ContentImage,
    ContentReasoning,
    ContentText,
    ModelOutput,
    ModelUsage,
    StopReason,
)
from inspect_ai.scorer import CORRECT, INCORRECT, Score
from inspect_ai.tool import ToolCall, ToolCallError

from grader.agents.base import Usage
from grader.export.display import words
from grader.export.facts import incomplete, iso_time, metadata, model_of, usage_of
from grader.export.images import picture, unshown
from grader.export.load import TrialRecord
from grader.export.plain import plain, plain_text
from grader.export.turns import UNANSWERED, CallIds, Exchange, Step, steps
from grader.transcript import ImagePart, Note, ResultEvent, TextPart, TurnEvent

SCORER = "silent_bugs"
NO_MODEL = "none/none"  # Inspect's name where no model takes part

_FACTS = ("run", "trial", "seed", "outcome", "tool_calls", "tool_faults", "ended", "problems")
_VERDICT = ("bugs", "checks", "false_alarms", "metrics")
_STOPS: dict[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "max_tokens",
    "refusal": "content_filter",
    "model_context_window_exceeded": "model_length",
}


def sample_of(record: TrialRecord, sample_id: str) -> EvalSample:
    """The sample; without a score where nothing was graded."""
    messages = _Messages(record).messages
    start, facts = record.start, plain(metadata(record))
    return EvalSample(
        id=sample_id,
        epoch=record.number + 1,  # Inspect counts from 1
        input=plain_text(start.prompt) if start else "",
        target="",
        messages=messages,
        output=_output(record, messages),
        scores=_scores(record, facts),
        metadata={name: facts[name] for name in _FACTS},
        model_usage=_usage(record),
        started_at=iso_time(start.time) if start else None,
        completed_at=iso_time(ended_at(record)),
        total_time=facts["seconds"],
        uuid=uuid5(NAMESPACE_URL, plain_text(f"{record.run}/{record.name}")).hex,
        error=_error(record),
        turn_count=len(record.turns),
    )


def inspect_model(record: TrialRecord) -> str:
    """The model as Inspect names it, by the API that it was reached through."""
    model = plain_text(model_of(record) or NO_MODEL)
    return f"anthropic/{model}" if record.fact("agent") == "claude" and "/" not in model else model


def ended_at(record: TrialRecord) -> float | None:
    """When a trial was over, grading included, in seconds since the epoch."""
    if record.start is None or record.finished is None or record.finished.seconds is None:
        return None
    return record.start.time + record.finished.seconds


def fault(message: str) -> EvalError:
    """An error in Inspect's form; its traceback is not recorded."""
    return EvalError(message=plain_text(message), traceback="", traceback_ansi="")


class _Messages:
    """The conversation. Ids are the same whenever it is exported."""

    def __init__(self, record: TrialRecord) -> None:
        self.messages: list[ChatMessage] = []
        self._name, self._model = record.name, inspect_model(record)
        self._ids = CallIds()
        if record.start:
            prompt = plain_text(record.start.prompt)
            self.messages.append(ChatMessageUser(id=self._id(), content=prompt, source="input"))
        for item in steps(record.events):
            if isinstance(item, Note):
                self.messages.append(ChatMessageUser(id=self._id(), content=plain_text(item.text)))
            else:
                self._step(item)

    def _id(self) -> str:
        return f"{self._name}-{len(self.messages)}"

    def _step(self, step: Step) -> None:
        turn = step.turn
        calls = [(self._ids.new(exchange.call, turn.n), exchange) for exchange in step.exchanges]
        message = ChatMessageAssistant(
            id=self._id(),
            content=_said(turn),
            tool_calls=[_call(key, exchange) for key, exchange in calls] or None,
            model=self._model,
            source="generate",
            metadata=plain({"turn": turn.n, "seconds": turn.seconds, "stop": turn.stop_reason}),
        )
        self.messages.append(message)
        for key, exchange in calls:
            self.messages.append(_answer(self._id(), key, exchange))


def _said(turn: TurnEvent) -> str | list[Content]:
    text = plain_text(turn.text)
    if not turn.thinking:
        return text
    thinking = ContentReasoning(reasoning=plain_text(turn.thinking))
    return [thinking, ContentText(text=text)] if text else [thinking]


def _call(key: str, exchange: Exchange) -> ToolCall:
    call = exchange.call
    return ToolCall(id=key, function=plain_text(call.name), arguments=plain(call.arguments))


def _answer(message_id: str, key: str, exchange: Exchange) -> ChatMessageTool:
    result = exchange.result
    facts = {"seconds": result.seconds, "fault": result.fault} if result else None
    return ChatMessageTool(
        id=message_id,
        content=_content(result.content) if result else UNANSWERED,
        tool_call_id=key,
        function=plain_text(exchange.call.name),
        error=_call_error(result),
        metadata=plain(facts),
    )


def _content(parts: Sequence[TextPart | ImagePart]) -> str | list[Content]:
    match parts:
        case []:
            return ""
        case [TextPart(text=text)]:
            return plain_text(text)
    return [_part(part) for part in parts]


def _part(part: TextPart | ImagePart) -> Content:
    if isinstance(part, TextPart):
        return ContentText(text=plain_text(part.text))
    shown = picture(part)
    if shown is None:
        return ContentText(text=plain_text(unshown(part)))
    return ContentImage(image=shown.uri)


def _call_error(result: ResultEvent | None) -> ToolCallError | None:
    """None for content with images too: the viewer shows an error in its place."""
    if result is None:
        return ToolCallError("unknown", UNANSWERED)
    if result.fault is None or any(isinstance(part, ImagePart) for part in result.content):
        return None
    return ToolCallError("unknown", "\n".join(_texts(result)))


def _texts(result: ResultEvent) -> Iterator[str]:
    for part in result.content:
        if isinstance(part, TextPart):
            yield plain_text(part.text)


def _output(record: TrialRecord, messages: Sequence[ChatMessage]) -> ModelOutput:
    """What the agent said last."""
    said = [message for message in messages if isinstance(message, ChatMessageAssistant)]
    if not said:
        return ModelOutput(model=inspect_model(record))
    turn = record.turns[-1]
    stop = _STOPS.get(turn.stop_reason, "unknown")
    return ModelOutput(
        model=inspect_model(record),
        choices=[ChatCompletionChoice(message=said[-1], stop_reason=stop)],
        usage=_model_usage(usage_of(turn), None) if model_of(record) else None,
        time=plain(turn.seconds),
    )


def _scores(record: TrialRecord, facts: dict[str, Any]) -> dict[str, Score] | None:
    """Inspect's own values for a pass and a failure, so that it counts them as it counts any."""
    if record.outcome not in ("passed", "failed"):
        return None
    reason = words(record.failure_reason) if record.failure_reason else ""
    verdict = facts["verdict"] or {}
    score = Score(
        value=CORRECT if record.outcome == "passed" else INCORRECT,
        answer=record.report_text and plain_text(record.report_text),
        explanation=plain_text(": ".join(filter(None, [reason, record.detail]))) or None,
        metadata={
            "reward": facts["reward"],
            "failure_reason": facts["failure_reason"],
            **{name: verdict[name] for name in _VERDICT if name in verdict},
        },
    )
    return {SCORER: score}


def _error(record: TrialRecord) -> EvalError | None:
    if record.outcome == "infrastructure":
        return fault(record.detail or "a fault of the machinery")
    cut = incomplete(record)
    # By this name Inspect tells a sample that was cancelled from one that went wrong.
    return fault(f"CancelledError({cut!r})") if cut else None


def _usage(record: TrialRecord) -> dict[str, ModelUsage]:
    if not model_of(record) or not record.turns:
        return {}
    dollars = record.finished.cost if record.finished else None
    return {inspect_model(record): _model_usage(record.usage, dollars)}


def _model_usage(usage: Usage, dollars: float | None) -> ModelUsage:
    return ModelUsage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        total_tokens=usage.total,
        input_tokens_cache_write=usage.cache_write,
        input_tokens_cache_read=usage.cache_read,
        total_cost=dollars,
    )
