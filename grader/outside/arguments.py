"""Arguments of a tool call as they are written in a shell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from task_spec.cli import Failure


def parsed(words: Iterable[str], schema: Mapping[str, Any], stdin: TextIO) -> dict[str, Any]:
    """The arguments of a call: ``NAME=VALUE`` each, or one JSON object, or ``-`` for one on
    standard input. Failure says what is wrong.

    VALUE is text where the schema says so, else JSON, and text if it is none, or several texts
    with commas between where a list is asked for. ``@FILE`` and ``-`` (standard input) stand for
    text, less the newline at its end.
    """
    words = list(words)
    if len(words) == 1 and (words[0] == "-" or words[0].lstrip().startswith("{")):
        return _object(stdin.read() if words[0] == "-" else words[0])
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise Failure(f"{word!r} is no argument: write NAME=VALUE, or one JSON object")
        found[name] = _value(value, schema.get("properties", {}).get(name, {}), stdin)
    return found


def as_report(text: str) -> dict[str, Any]:
    """The arguments of ``submit``: a list of entries, or an object that holds it. Failure."""
    try:
        report = json.loads(text)
    except ValueError as error:
        raise Failure(f"the report is no JSON: {error}") from None
    return report if isinstance(report, dict) else {"bug_report": report}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Failure(f"the arguments are no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Failure('the arguments are no JSON object: write {"name": value, ...}')
    return found


def _value(text: str, schema: Mapping[str, Any], stdin: TextIO) -> Any:
    kinds = {schema.get("type"), *(each.get("type") for each in schema.get("anyOf", ()))}
    if text == "-":
        return stdin.read().removesuffix("\n")
    if text.startswith("@") and (path := Path(text[1:])).is_file():
        return path.read_text(encoding="utf-8").removesuffix("\n")
    if kinds == {"string"}:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text.split(",") if "array" in kinds and "," in text else text
