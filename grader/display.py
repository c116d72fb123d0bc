"""What a run shows in a terminal: a bar a trial, a line as each ends, a table at the end."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.records import Trial


class Display:
    """A watcher that draws. On what is no terminal it prints only the lines.

    ``ended``: the finished trials, so that an interrupted run still has a summary.
    """

    def __init__(self, console: Console, trials: int) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[doing]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._total = self._progress.add_task("all trials", total=trials, doing=f"0 of {trials}")
        self._trials = trials
        self.ended: list[Trial] = []
        self._running: dict[int, TaskID] = {}

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def doing(self, trial: int, what: str) -> None:
        if trial not in self._running:
            self._running[trial] = self._progress.add_task(f"trial {trial}", total=None, doing=what)
        self._progress.update(self._running[trial], doing=what)

    def finished(self, trial: Trial) -> None:
        running = self._running.pop(trial.trial, None)
        if running is not None:
            self._progress.remove_task(running)
        self.ended.append(trial)
        self._progress.update(
            self._total, completed=len(self.ended), doing=f"{len(self.ended)} of {self._trials}"
        )
        self._console.print(trial_line(trial), highlight=False)


_COLOUR = {"passed": "green", "failed": "red", "infrastructure": "yellow"}


def trial_line(trial: Trial) -> str:
    """One line on how a trial ended."""
    reason = f" {trial.failure_reason.value}" if trial.failure_reason else ""
    fixed = sum(bug.fixed for bug in trial.bugs)
    reported = sum(bug.reported for bug in trial.bugs)
    bugs = f"  repaired {fixed}, reported {reported} of {len(trial.bugs)}" if trial.bugs else ""
    detail = f"  {trial.detail[:100]}" if trial.outcome == "infrastructure" else ""
    colour = _COLOUR[trial.outcome]
    return (
        f"trial {trial.trial:>3}  [{colour}]{trial.outcome}{reason}[/{colour}]{bugs}{detail}"
        f"  {trial.tool_calls} calls, {trial.seconds:.0f} s"
    )


def print_summary(console: Console, summary: dict[str, Any]) -> None:
    """The closing tables of a run."""
    table = Table(title=f"{summary['task']}, agent {summary['agent']}", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in _rows(summary):
        table.add_row(name, value)
    console.print(table)
    bugs = Table(title="planted bugs", title_justify="left")
    for heading in ("bug", "repaired", "reported"):
        bugs.add_column(heading, justify="left" if heading == "bug" else "right")
    for bug, rates in summary["bugs"].items():
        bugs.add_row(bug, percent(rates["fixed"]), percent(rates["reported"]))
    console.print(bugs)


def _rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    low, high = summary["band"]
    value, inside = summary["pass_rate"], "undefined"
    if value is not None:
        inside = "yes" if low <= value <= high else "no"
        inside += f" (probability that the true rate is: {percent(summary['p_in_band'])})"
    interval = summary["ci95"]
    trials = summary["trials"]
    usage = sum(summary["usage"].values())
    rows = [
        ("passed", f"{summary['passed']} of {trials}"),
        ("pass rate", percent(value)),
        ("95% interval", "undefined" if interval is None else " to ".join(map(percent, interval))),
        (f"in the band of {percent(low)} to {percent(high)}", inside),
        ("failed for", ", ".join(f"{k} {n}" for k, n in summary["failure_reasons"].items()) or "-"),
        ("infrastructure faults", str(summary["infrastructure"])),
        ("tool calls", str(summary["tool_calls"])),
        (
            "calls failed by a tool / by the agent",
            f"{summary['tool_errors']} / {summary['model_errors']}",
        ),
        ("tokens", f"{usage:,}"),
        ("cost", "-" if summary["cost"] is None else f"${summary['cost']:.2f}"),
        ("seconds in all", f"{summary['seconds']:.0f}"),
    ]
    if summary["known_pass_rate"] is not None:
        rows.insert(2, ("known true rate of this agent", percent(summary["known_pass_rate"])))
    return rows


def percent(value: float | None) -> str:
    """A share in percent; None is undefined."""
    return "undefined" if value is None else f"{100 * value:.0f}%"
