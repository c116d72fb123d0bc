"""A trial as one standalone HTML file: nothing is loaded, nothing runs."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from grader.export import display
from grader.export.code import code_html, source_diff, unified_diff
from grader.export.images import picture
from grader.export.load import TrialRecord
from grader.export.notebook import CellChange, compare
from grader.export.prose import prose_html
from grader.export.review import failed_first, headline, review
from grader.export.turns import Step, steps
from grader.transcript import TurnEvent

INDEX = "index.html"  # the page of the whole run


def write(record: TrialRecord, folder: Path) -> Path:
    """Writes ``trial-000.html`` into a folder; returns its path.

    It links to the run's page, if that is there already.
    """
    path = folder / f"{record.name}.html"
    index = INDEX if (folder / INDEX).is_file() else None
    path.write_text(render(record, index), encoding="utf-8", newline="\n")
    return path


def render(record: TrialRecord, index: str | None = None) -> str:
    """The page as text. ``index``: where the page of the whole run is."""
    changes = _changes(record)
    page = _ENVIRONMENT.get_template("trial.html.j2").render(
        record=record,
        index=index,
        headline=headline(record),
        checks=failed_first(record.verdict.checks) if record.verdict else [],
        review=review(record),
        changes=changes,
        anchors={change.cell.id: f"cell-{at}" for at, change in enumerate(changes or [])},
        steps=steps(record.events),
    )
    # Last of all, so that no piece of text can be forgotten.
    return display.visible(page)


def _changes(record: TrialRecord) -> list[CellChange] | None:
    if record.broken is None or record.submission is None:
        return None
    return compare(record.broken, record.submission)


def _elapsed(turn: TurnEvent, record: TrialRecord) -> str:
    """When a turn was over, from the start of the episode."""
    return display.duration(turn.time - record.events[0].time)


def new_environment() -> Environment:
    """The templates' environment: everything is escaped, and what is not defined is an error."""
    environment = Environment(
        loader=PackageLoader("grader.export"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "code": code_html,
        "count": display.count,
        "duration": display.duration,
        "number": display.number,
        "picture": picture,
        "plain_value": display.plain_value,
        "prose": prose_html,
        "words": display.words,
    }
    environment.tests |= {
        "code_argument": display.is_code,
        "step": lambda item: isinstance(item, Step),
    }
    environment.globals |= {
        "elapsed": _elapsed,
        "source_diff": source_diff,
        "unified_diff": unified_diff,
    }
    return environment


_ENVIRONMENT = new_environment()
