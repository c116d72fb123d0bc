"""A run as one standalone HTML file, beside the pages of its trials.

Nothing is loaded. One script of ours sorts and filters the table of trials; the page's policy
names its hash, so that no other can run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

from markupsafe import Markup

from grader.export import display, run_words
from grader.export.html import INDEX, new_environment
from grader.export.run_reading import Reading, read
from grader.export.run_rows import bug_rows, repeats, rows
from grader.stats import BAND

_WIDEST = 100.0


def write(run: Path, numbers: Sequence[int], folder: Path) -> Path:
    """Writes ``index.html`` into a folder; returns its path.

    ``numbers``: the trials whose pages are in that folder, to which it links.
    Raises RunError if there is no such run.
    """
    path = folder / INDEX
    path.write_text(render(read(run), numbers), encoding="utf-8", newline="\n")
    return path


def render(reading: Reading, linked: Collection[int] = ()) -> str:
    """The page as text, with links to the pages of the trials ``linked``."""
    summary, trials = reading.summary(), rows(reading)
    page = _ENVIRONMENT.get_template("run.html.j2").render(
        name=reading.run.path.resolve().name,
        headline=run_words.headline(summary),
        config=reading.run.config,
        unknown=reading.config_unknown,
        summary=summary,
        state=run_words.state(reading, summary),
        confined=run_words.confined(reading),
        problems=reading.problems,
        bugs=bug_rows(reading, summary, trials),
        rows=trials,
        repeats=repeats(reading),
        linked=frozenset(linked),
        script=_SCRIPT,
        script_hash=_SCRIPT_HASH,
    )
    return display.visible(page)


def _wide(part: float, whole: float) -> str:
    """A length in a drawing: a share in percent of its width."""
    share = part / whole if whole else 0.0
    return f"{max(0.0, min(_WIDEST, _WIDEST * share)):.2f}%"


_ENVIRONMENT = new_environment()
_ENVIRONMENT.filters |= {
    "dollars": run_words.dollars,
    "figure": run_words.figure,
    "percent": run_words.percent,
    "probability": run_words.probability,
    "time": run_words.time,
    "when": run_words.when,
}
_ENVIRONMENT.globals |= {"BAND": BAND, "place": run_words.place, "wide": _wide}
# Ours, and the same on every page: it holds nothing of a run.
_SCRIPT = Markup(_ENVIRONMENT.get_template("run.js.j2").render())
_SCRIPT_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
