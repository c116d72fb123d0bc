"""A trial as one Markdown file, with its images in a folder beside it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

from grader.export import display
from grader.export.images import ImageFiles, picture, unshown
from grader.export.load import TrialRecord
from grader.export.notebook import CellChange, compare
from grader.export.quoting import code, fence, inline, quote
from grader.export.review import BugReview, Entry, failed_first, headline, review
from grader.export.turns import Exchange, Step, steps
from grader.transcript import ImagePart
from grader.verdict import CheckResult


def write(record: TrialRecord, folder: Path) -> Path:
    """Writes ``trial-000.md``, and ``trial-000_images/`` if there are any; returns the first."""
    path = folder / f"{record.name}.md"
    document = _Document(record)
    text = document.render()
    document.images.write(folder)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


class _Document:
    """Each method yields paragraphs; ``images`` collects the files they refer to."""

    def __init__(self, record: TrialRecord) -> None:
        self.record = record
        self.images = ImageFiles(record.name)

    def render(self) -> str:
        parts = [*self._head(), *_verdict(self.record), *_bugs(self.record)]
        parts += [*_notebook(self.record), *self._transcript()]
        return "\n\n".join(parts) + "\n"

    def _head(self) -> Iterator[str]:
        record = self.record
        yield f"# {headline(record)}"
        yield f"Trial {record.number} of {inline(record.run)}"
        if record.detail:
            yield inline(record.detail)
        yield "\n".join(f"- {name}: {inline(value)}" for name, value in _facts(record))
        yield from (f"**{inline(problem)}**" for problem in record.problems)

    def _transcript(self) -> Iterator[str]:
        yield "## Transcript"
        if self.record.start:
            yield "### Prompt"
            yield quote(self.record.start.prompt)
        for item in steps(self.record.events):
            if isinstance(item, Step):
                yield from self._step(item)
            else:
                yield "**Note to the agent**"
                yield quote(item.text)
        yield _ending(self.record)

    def _step(self, step: Step) -> Iterator[str]:
        yield f"### Turn {step.turn.n}"
        if step.turn.thinking.strip():
            yield "*Thinking*"
            yield quote(step.turn.thinking)
        if step.turn.text.strip():
            yield quote(step.turn.text)
        for exchange in step.exchanges:
            yield from _call(exchange)
            yield from self._result(exchange)

    def _result(self, exchange: Exchange) -> Iterator[str]:
        result = exchange.result
        if result is None:
            yield "*No result was recorded.*"
            return
        fault = {"tool": " (tool fault)", "model": " (error of the model)", None: ""}[result.fault]
        yield f"*Result{fault}, {display.duration(result.seconds)}*"
        for part in result.content:
            yield self._image(part) if isinstance(part, ImagePart) else fence(part.text, "text")

    def _image(self, part: ImagePart) -> str:
        shown = picture(part)
        if shown is None:
            return inline(unshown(part))
        path = self.images.add(shown)
        return f"![Image {len(self.images)}]({path})"


def _facts(record: TrialRecord) -> Iterator[tuple[str, str]]:
    yield "reward", display.number(record.reward)
    yield "time", display.duration(record.seconds)
    faults = display.count(record.tool_faults, "tool fault")
    yield "tool calls", f"{record.tool_calls}, {faults}"
    usage = record.usage
    yield "tokens", f"{usage.total:,}, of them {usage.output:,} out"
    if record.finished and record.finished.cost is not None:
        yield "cost", f"${record.finished.cost:.2f}"
    if record.verdict:
        by = f"confined by {record.verdict.sandbox}"
        yield "confinement", by if record.verdict.confined else "not confined"
    for name in ("task", "variant", "agent", "model", "seed"):
        if record.fact(name) is not None:
            yield name, str(record.fact(name))


def _verdict(record: TrialRecord) -> Iterator[str]:
    yield "## Verdict"
    if record.verdict is None:
        yield "This trial has no verdict."
    elif not record.verdict.checks:
        yield "The submission never came to the checks."
    else:
        head = [
            "| check | clause | world | value | bound | evidence |",
            "|---|---|---|---:|---|---|",
        ]
        yield "\n".join(head + [_check(check) for check in failed_first(record.verdict.checks)])
    if record.verdict and record.verdict.metrics:
        metrics = record.verdict.metrics.items()
        yield "\n".join(f"- {inline(name)}: {display.number(value)}" for name, value in metrics)


def _check(check: CheckResult) -> str:
    held = "held" if check.passed else "**failed**"
    texts = [check.clause or "–", check.world or "–", display.number(check.value)]
    cells = [inline(text) for text in [*texts, check.bound, check.explanation]]
    return f"| {held} {code(check.id)} | " + " | ".join(cells) + " |"


def _bugs(record: TrialRecord) -> Iterator[str]:
    yield "## Bugs"
    found = review(record)
    if record.report_text is None:
        yield "No bug report was filed."
    elif record.report is None:
        yield "The bug report is malformed. It reads:"
        yield fence(record.report_text)
    if record.planted is None:
        yield "The answer key (planted.json) is missing."
    for bug in found.bugs:
        yield from _bug(bug)
    yield from _entries("False alarms", found.false_alarms)
    yield from _entries("Entries that match nothing", found.others)


def _bug(bug: BugReview) -> Iterator[str]:
    planted, result = bug.planted, bug.result
    yield f"### {inline(planted.title or planted.id)}"
    state = "not graded"
    if result:
        left = "**perhaps not repaired**" if result.in_doubt else "**not repaired**"
        repaired = "repaired" if result.fixed else left
        state = f"{repaired}, {'reported' if result.reported else '**not reported**'}"
    kind = f", {inline(planted.kind)}" if planted.kind else ""
    yield f"{code(planted.id)}: {state}{kind}; breaks {inline(', '.join(planted.clauses) or '–')}"
    if bug.row_score:
        yield inline(bug.row_score)
    if planted.broken:
        yield fence(planted.broken, "diff")
    if bug.rows:
        yield f"Affected rows: {inline(bug.rows)}"
    if planted.source:
        yield f"Seen in the wild: {inline(planted.source)}"
    if bug.entry:
        yield from _entry(bug.entry)


def _entries(title: str, entries: tuple[Entry, ...]) -> Iterator[str]:
    if entries:
        yield f"### {title}"
    for entry in entries:
        yield from _entry(entry)


def _entry(item: Entry) -> Iterator[str]:
    entry = item.entry
    yield f"Entry {item.number} of the report: {inline(entry.clause)} in {code(entry.cell)}"
    yield fence(entry.quote, "python")
    if entry.explanation.strip():
        yield quote(entry.explanation)
    if item.rows:
        yield f"Rows listed: {inline(item.rows)}"


def _notebook(record: TrialRecord) -> Iterator[str]:
    yield "## Notebook diff"
    if record.submission is None:
        yield "There is no readable submitted notebook."
        return
    if record.broken is None:
        yield "The delivered notebook is missing or unreadable."
        return
    changes = compare(record.broken, record.submission)
    for change in changes:
        if change.kind != "unchanged":
            yield f"### {code(change.cell.id)} {change.kind}"
            yield from _cell_diff(change)
    same = [code(change.cell.id) for change in changes if change.kind == "unchanged"]
    yield f"Unchanged: {', '.join(same) or 'none'}"


def _cell_diff(change: CellChange) -> Iterator[str]:
    before, after = (source.splitlines() for source in change.sources)
    lines = list(unified_diff(before, after, lineterm=""))[2:]
    if lines:
        yield fence("\n".join(lines), "diff")


def _call(exchange: Exchange) -> Iterator[str]:
    yield f"**Call** {code(exchange.call.name)}"
    for name, value in exchange.call.arguments.items():
        text = display.plain_value(value)
        if display.is_code(name, value) or "\n" in text:
            yield f"{code(name)}:"
            yield fence(text, "python" if display.is_code(name, value) else "")
        else:
            yield f"{code(name)}: {code(text)}"


def _ending(record: TrialRecord) -> str:
    if record.end:
        detail = f" {inline(record.end.detail)}" if record.end.detail else ""
        return f"The episode ended: {display.words(record.end.reason)}.{detail}"
    if record.events:
        return "**The transcript breaks off here: the trial was killed.**"
    return "There is no transcript."
