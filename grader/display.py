"""What a run shows in a terminal while it goes on: a bar a trial, and a line as each ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from grader.agents.base import Usage
from grader.agents.pricing import cost
from grader.records import Trial
from grader.transcript import Event, ResultEvent, Start, TurnEvent


class Lines:
    """A watcher that prints a line as each attempt ends, and nothing else: for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held."""

    def event(self, trial: int, event: Event) -> None:
        """Steps are not told."""

    def grading(self, trial: int) -> None:
        """Nor this."""

    def ended(self, trial: Trial) -> None:
        self._console.print(trial_line(trial), highlight=False, soft_wrap=True)


@dataclass
class _Live:
    """What is shown of a trial under way."""

    bar: TaskID
    model: str | None = None
    turns: int = 0
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    doing: str = "starting"

    def see(self, event: Event) -> None:
        match event:
            case Start():
                self.model, self.doing = event.model, "turn 1: thinking"
            case TurnEvent():
                self.turns, self.usage = event.n, self.usage + Usage(**event.usage)
                self.doing = f"turn {event.n}: {', '.join(call.name for call in event.calls)}"
            case ResultEvent():
                self.calls, self.doing = self.calls + 1, f"turn {self.turns + 1}: thinking"

    @property
    def spent(self) -> str:
        dollars = cost(self.model, self.usage)
        price = "" if dollars is None else f"  ${dollars:.2f}"
        return f"{self.usage.total:,} tokens{price}" if self.usage.total else ""


class Bars(Lines):
    """A watcher that draws a bar for each trial under way: calls against their budget, turn, tool,
    tokens, cost. On what is no terminal only the lines are printed."""

    def __init__(self, console: Console, trials: int, done: int, most_calls: int) -> None:
        super().__init__(console)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[doing]}"),
            TextColumn("{task.fields[spent]}", style="dim"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._trials, self._done, self._most_calls = trials, done, most_calls
        self._total = self._progress.add_task("all trials", total=trials, doing="", spent="")
        self._live: dict[int, _Live] = {}
        self._count()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def event(self, trial: int, event: Event) -> None:
        live = self._live.get(trial) or self._start(trial)
        live.see(event)
        self._progress.update(live.bar, completed=live.calls, doing=live.doing, spent=live.spent)

    def grading(self, trial: int) -> None:
        live = self._live.get(trial) or self._start(trial)
        self._progress.update(live.bar, doing="grading")

    def ended(self, trial: Trial) -> None:
        live = self._live.pop(trial.trial, None)
        if live is not None:
            self._progress.remove_task(live.bar)
        self._done += trial.outcome != "infrastructure"
        self._count()
        super().ended(trial)

    def _start(self, trial: int) -> _Live:
        bar = self._progress.add_task(
            f"trial {trial}", total=self._most_calls, doing="starting", spent=""
        )
        self._live[trial] = _Live(bar)
        return self._live[trial]

    def _count(self) -> None:
        doing = f"{self._done} of {self._trials}"
        self._progress.update(self._total, completed=self._done, doing=doing)


class Follower(Lines):
    """A watcher that follows one episode word by word, and the next one once it has ended."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._followed: int | None = None

    def event(self, trial: int, event: Event) -> None:
        if self._followed is None and isinstance(event, Start):
            self._followed = trial
        if self._followed == trial:
            for line in event_lines(event):
                self._console.print(f"[dim]trial {trial}[/dim]  {line}", highlight=False)

    def grading(self, trial: int) -> None:
        if self._followed == trial:
            self._console.print(f"[dim]trial {trial}  grading[/dim]", highlight=False)

    def ended(self, trial: Trial) -> None:
        if self._followed == trial.trial:
            self._followed = None
        super().ended(trial)


_SHOWN = 600  # characters of a text, a call or a result


def event_lines(event: Event) -> list[str]:
    """An event for a terminal, in rich's markup."""
    match event:
        case TurnEvent():
            said = [f"[bold]turn {event.n}[/bold]  {_short(event.text or event.thinking)}"]
            return said + [
                f"[cyan]{escape(call.name)}[/cyan] {_short(str(call.arguments))}"
                for call in event.calls
            ]
        case ResultEvent():
            text = "\n".join(part.text for part in event.content if part.type == "text")
            plots = sum(part.type == "image" for part in event.content)
            fault = f"[red]{event.fault} error[/red] " if event.fault else ""
            return [f"{fault}{_short(text)}" + (f" [dim]+ {plots} plots[/dim]" if plots else "")]
        case Start():
            return [f"{escape(event.agent)} plays {escape(event.variant)}"]
    detail = getattr(event, "text", "") or getattr(event, "detail", "")
    return [f"[yellow]{event.type}[/yellow] {_short(detail)}"]


def _short(text: str) -> str:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]} … {len(text) - _SHOWN:,} more"
    return escape("".join(c for c in shown if c.isprintable() or c == "\n"))


_COLOUR = {"passed": "green", "failed": "red", "infrastructure": "yellow"}


def trial_line(trial: Trial) -> str:
    """One line on how an attempt ended, in rich's markup."""
    reason = f" {trial.failure_reason.value}" if trial.failure_reason else ""
    fixed = sum(bug.fixed for bug in trial.bugs)
    reported = sum(bug.reported for bug in trial.bugs)
    bugs = f"  repaired {fixed}, reported {reported} of {len(trial.bugs)}" if trial.bugs else ""
    detail = f"  {escape(' '.join(trial.detail[:300].split()))}" if not trial.bugs else ""
    colour = _COLOUR[trial.outcome]
    spent = "" if trial.cost is None else f", ${trial.cost:.2f}"
    again = "" if trial.attempt == 1 else f", attempt {trial.attempt}"
    return (
        f"trial {trial.trial:>3}  [{colour}]{trial.outcome}{reason}[/{colour}]{bugs}{detail}"
        f"  {trial.tool_calls} calls, {trial.seconds:.0f} s{spent}{again}"
    )
