"""A trial in the Agent Trajectory Interchange Format (ATIF) 1.8, for whatever reads Harbor's runs.

Source: https://github.com/harbor-framework/harbor/blob/main/rfcs/0001-trajectory-format.md.
The answer key is left out, as it is from the messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grader.agents.base import Usage
from grader.agents.pricing import cost
from grader.export.facts import incomplete, iso_time, metadata, model_of, usage_of
from grader.export.images import ImageFiles, picture, unshown
from grader.export.load import TrialRecord
from grader.export.plain import plain
from grader.export.turns import CallIds, Exchange, Step, steps
from grader.transcript import ImagePart, Note, ResultEvent, TextPart, TurnEvent

SCHEMA = "ATIF-v1.8"
NO_TRANSCRIPT = "There is no transcript of this trial."

Part = dict[str, Any]


def write(record: TrialRecord, folder: Path) -> Path:
    """Writes ``trial-000.trajectory.json``, and ``trial-000_images/`` if there are any.

    Returns the path of the first.
    """
    images = ImageFiles(record.name)
    document = trajectory(record, images)
    images.write(folder)
    path = folder / f"{record.name}.trajectory.json"
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def trajectory(record: TrialRecord, images: ImageFiles) -> dict[str, Any]:
    """The document; ``images`` takes the files that it refers to."""
    told = _Steps(record, images).steps
    document = _known(
        schema_version=SCHEMA,
        session_id=record.run,
        trajectory_id=f"{record.run}/{record.name}",
        agent=_agent(record),
        steps=told,
        notes="\n".join(filter(None, [incomplete(record), *record.problems])) or None,
        final_metrics=_final_metrics(record, len(told)),
        extra=metadata(record),
    )
    known: dict[str, Any] = plain(document)
    return known


class _Steps:
    """The prompt, the turns, and the notes of the episode, which reach an agent as a user's."""

    def __init__(self, record: TrialRecord, images: ImageFiles) -> None:
        self.steps: list[dict[str, Any]] = []
        self._images, self._ids = images, CallIds()
        self._model = model_of(record)
        if record.start:
            self._add("user", record.start.time, record.start.prompt)
        for item in steps(record.events):
            if isinstance(item, Note):
                self._add("user", item.time, item.text, extra={"from": "episode"})
            else:
                self._turn(item)
        if not self.steps:
            # Readers want a step; it is nobody's words, and says so.
            self._add("system", None, NO_TRANSCRIPT)

    def _add(self, source: str, time: float | None, message: str, **fields: Any) -> None:
        step = {"step_id": len(self.steps) + 1, "source": source, "message": message}
        self.steps.append(step | _known(timestamp=iso_time(time), **fields))

    def _turn(self, step: Step) -> None:
        turn = step.turn
        calls = [(self._ids.new(exchange.call, turn.n), exchange) for exchange in step.exchanges]
        results = [_answer(key, ex.result, self._images) for key, ex in calls if ex.result]
        extra = {"turn": turn.n, "seconds": turn.seconds, "stop_reason": turn.stop_reason}
        self._add(
            "agent",
            turn.time,
            turn.text,
            tool_calls=[_call(key, exchange) for key, exchange in calls] or None,
            observation={"results": results} if results else None,
            extra=extra,
            **self._thought(turn),
        )

    def _thought(self, turn: TurnEvent) -> dict[str, Any]:
        """What only a model has. A script's turn is marked as one that no model took part in."""
        if not self._model:
            return {"llm_call_count": 0}
        return {
            "reasoning_content": turn.thinking or None,
            "metrics": _metrics(usage_of(turn), cost(self._model, usage_of(turn))),
        }


def _known(**fields: Any) -> dict[str, Any]:
    """Fields without those that are None: the format leaves out what isn't known."""
    return {name: value for name, value in fields.items() if value is not None}


def _agent(record: TrialRecord) -> dict[str, Any]:
    tools = record.start.tools if record.start else []
    return _known(
        name=str(record.fact("agent") or "unknown"),
        version=str(record.config.get("version") or "unknown"),
        model_name=model_of(record),
        tool_definitions=[_tool(definition) for definition in tools] or None,
    )


def _tool(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A tool as the format has it, which is OpenAI's way; ours is the Messages API's."""
    function = _known(
        name=definition.get("name"),
        description=definition.get("description"),
        parameters=definition.get("input_schema"),
    )
    return {"type": "function", "function": function}


def _call(key: str, exchange: Exchange) -> dict[str, Any]:
    call = exchange.call
    return {"tool_call_id": key, "function_name": call.name, "arguments": call.arguments}


def _answer(key: str, result: ResultEvent, images: ImageFiles) -> dict[str, Any]:
    extra = _known(seconds=result.seconds, fault=result.fault)
    return {"source_call_id": key, "content": _content(result.content, images), "extra": extra}


def _content(parts: Sequence[TextPart | ImagePart], images: ImageFiles) -> str | list[Part]:
    match parts:
        case []:
            return ""
        case [TextPart(text=text)]:
            return text
    return [_part(part, images) for part in parts]


def _part(part: TextPart | ImagePart, images: ImageFiles) -> Part:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    shown = picture(part)
    if shown is None:
        return {"type": "text", "text": unshown(part)}
    source = {"media_type": shown.media_type, "path": images.add(shown)}
    return {"type": "image", "source": source}


def _metrics(usage: Usage, dollars: float | None) -> dict[str, Any]:
    """The format counts all that a model reads as its prompt, from a cache or not."""
    return _known(
        prompt_tokens=_prompt(usage),
        completion_tokens=usage.output,
        cached_tokens=usage.cache_read,
        cost_usd=dollars,
        extra={"cache_write_tokens": usage.cache_write},
    )


def _final_metrics(record: TrialRecord, count: int) -> dict[str, Any]:
    usage = record.usage
    played = model_of(record) is not None and bool(record.turns)
    tokens = {
        "total_prompt_tokens": _prompt(usage),
        "total_completion_tokens": usage.output,
        "total_cached_tokens": usage.cache_read,
    }
    return _known(
        **(tokens if played else {}),
        total_cost_usd=record.finished.cost if record.finished else None,
        total_steps=count,
        extra=_known(
            seconds=record.seconds,
            tool_calls=record.tool_calls,
            tool_faults=record.tool_faults,
            cache_write_tokens=usage.cache_write if played else None,
        ),
    )


def _prompt(usage: Usage) -> int:
    return usage.input + usage.cache_read + usage.cache_write
