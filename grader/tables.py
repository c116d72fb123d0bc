"""The closing tables of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_summary(console: Console, summary: dict[str, Any]) -> None:
    """The summary of a run as tables."""
    table = Table(title=f"{summary['task']}, agent {summary['agent']}", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in [*_results(summary), *_spent(summary)]:
        table.add_row(name, value)
    console.print(table)
    bugs = Table(title="planted bugs", title_justify="left")
    for heading in ("bug", "repaired", "reported", "both", "95% interval"):
        bugs.add_column(heading, justify="left" if heading == "bug" else "right")
    for bug, rates in summary["bugs"].items():
        shown = (percent(rates[name]) for name in ("fixed", "reported", "handled"))
        bugs.add_row(bug, *shown, interval(rates["handled_ci95"]))
    if any(rates["in_doubt"] for rates in summary["bugs"].values()):
        bugs.caption = (
            "leaving out repairs in doubt: what failed of their checks shows another bug, too"
        )
    console.print(bugs)


def result_line(summary: dict[str, Any]) -> str:
    """The result of a run in one line."""
    return (
        f"passed {summary['passed']} of {summary['trials']}: {percent(summary['pass_rate'])}, "
        f"95% interval {interval(summary['ci95'])}; in the band with probability "
        f"{percent(summary['p_in_band'])}; {summary['infrastructure']} infrastructure faults, "
        f"{summary['open']} not run"
    )


def _results(summary: dict[str, Any]) -> list[tuple[str, str]]:
    low, high = summary["band"]
    reasons = summary["failure_reasons"]
    rows = [
        ("passed", f"{summary['passed']} of {summary['trials']}"),
        ("pass rate", percent(summary["pass_rate"])),
        ("95% interval (Wilson)", interval(summary["ci95"])),
        ("95% credible interval", interval(summary["credible95"])),
        (f"in the band of {percent(low)} to {percent(high)}", _inside(summary)),
        ("pass at 1, 2, 4, 8", ", ".join(map(percent, summary["pass_at_k"].values()))),
        ("failed for", ", ".join(f"{k} {n}" for k, n in reasons.items()) or "-"),
        ("effective number of reasons", number(summary["effective_reasons"], ".1f")),
        ("infrastructure faults", str(summary["infrastructure"])),
        ("attempts repeated", str(summary["repeated"])),
    ]
    if summary["known_pass_rate"] is not None:
        rows.insert(2, ("known true rate of this agent", percent(summary["known_pass_rate"])))
    if summary["open"]:
        rows.append(("trials not run", str(summary["open"])))
    return rows


def _spent(summary: dict[str, Any]) -> list[tuple[str, str]]:
    usage = summary["usage"]
    kinds = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in usage.items() if n)
    errors = f"{summary['tool_errors']} / {summary['model_errors']}"
    return [
        ("tool calls", str(summary["tool_calls"])),
        ("calls failed by a tool / by the agent", errors),
        ("tokens", kinds or "-"),
        ("cost", "-" if summary["cost"] is None else f"${summary['cost']:.2f}"),
        ("seconds of all trials", f"{summary['seconds']:.0f}"),
    ]


def _inside(summary: dict[str, Any]) -> str:
    value, (low, high) = summary["pass_rate"], summary["band"]
    if value is None:
        return "undefined"
    here = "yes" if low <= value <= high else "no"
    below, inside, above = map(percent, summary["p_below_in_above"])
    return f"{here} (true rate: below {below}, in {inside}, above {above})"


def percent(value: float | None) -> str:
    """A share in percent; None is undefined."""
    return "undefined" if value is None else f"{100 * value:.0f}%"


def interval(ends: Sequence[float] | None) -> str:
    """The ends of an interval in percent; None is undefined."""
    return "undefined" if ends is None else " to ".join(map(percent, ends))


def number(value: float | None, form: str, unit: str = "") -> str:
    """A figure, in a format of Python's; None is undefined."""
    return "undefined" if value is None else f"{unit}{value:{form}}"


def figures(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table with a name in its first column and figures in the others; texts are shown as they
    are."""
    table = Table(title=title, title_justify="left")
    for index, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", justify="right" if index else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
