"""What a solver hands in: parsed with suspicion, never trusted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from grader.verdict import ReportEntry
from task_spec.model import ReportRules
from task_spec.prompt import CELL_LIMIT, MOST_CELLS

# Far more than the outputs of any notebook that is meant: it guards the runner's memory.
MAX_NOTEBOOK_BYTES = 200_000_000
MAX_REPORT_BYTES = 200_000

_ENTRIES = TypeAdapter(list[ReportEntry])


class NotebookError(ValueError):
    """The submitted notebook can't be read; the text says why."""


class ReportError(ValueError):
    """The submitted report is malformed; the text says why, one problem a line."""


@dataclass(frozen=True)
class Submission:
    """The sources of the code cells, in order, and the entries of the report."""

    cells: tuple[str, ...]
    report: tuple[ReportEntry, ...]


def parse_notebook(text: str) -> tuple[str, ...]:
    """Sources of a notebook's code cells. Only these are kept: no outputs, no metadata."""
    if len(text) > MAX_NOTEBOOK_BYTES:
        raise NotebookError(f"the notebook has more than {MAX_NOTEBOOK_BYTES // 1_000_000} MB")
    cells = _json(text, NotebookError, "notebook")
    cells = cells.get("cells") if isinstance(cells, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise NotebookError("this is no notebook: it has no list of cells")
    if len(cells) > MOST_CELLS:
        raise NotebookError(
            f"the notebook has {len(cells)} cells; at most {MOST_CELLS} are executed"
        )
    return tuple(_source(cell) for cell in cells if cell.get("cell_type") == "code")


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise NotebookError("a cell's source is neither text nor a list of lines")
    if len(source) > CELL_LIMIT:
        raise NotebookError(
            f"a cell has {len(source)} characters; at most {CELL_LIMIT} are executed"
        )
    return source


def parse_report(value: Any, rules: ReportRules) -> tuple[ReportEntry, ...]:
    """Entries of a report given as parsed JSON, or as JSON text. ReportError says what is wrong."""
    if isinstance(value, str):
        if len(value) > MAX_REPORT_BYTES:
            raise ReportError(f"the report has more than {MAX_REPORT_BYTES // 1000} kB")
        value = _json(value, ReportError, "report")
    if not isinstance(value, list):
        raise ReportError("the report must be a list of entries")
    if len(value) > rules.max_entries:
        raise ReportError(
            f"the report has {len(value)} entries; at most {rules.max_entries} are read"
        )
    try:
        return tuple(_ENTRIES.validate_python(value, strict=True))
    except ValidationError as error:
        raise ReportError("\n".join(_in_words(problem) for problem in error.errors())) from None


def _in_words(problem: Any) -> str:
    at = ".".join(str(part) for part in problem["loc"])
    return f"report entry {at}: {problem['msg']} (fields: clause, cell, quote, explanation)"


def _json(text: str, error: type[ValueError], what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise error(f"the {what} is no valid JSON: {str(reason)[:200]}") from None
