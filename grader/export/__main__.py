"""The command line: ``python -m grader.export RUN --format html``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from grader.export import atif, html, markdown, messages, run_page
from grader.export.load import RunError, TrialRecord, load_trial, trial_numbers

# Writes the trials of a run that have these numbers into a folder; gives the files written.
Export = Callable[[Path, Sequence[int], Path], Iterable[Path]]

_NO_INSPECT = "The format inspect needs Inspect: pip install 'silent-bugs[inspect]'"


def _each(write: Callable[[TrialRecord, Path], Path]) -> Export:
    """A format of one document a trial; only one is held in memory at a time."""

    def export(run: Path, numbers: Sequence[int], folder: Path) -> Iterable[Path]:
        return (write(load_trial(run, number), folder) for number in numbers)

    return export


def _inspect(run: Path, numbers: Sequence[int], folder: Path) -> Iterable[Path]:
    try:
        from grader.export import inspect_log
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "inspect_ai":
            raise
        raise RunError(_NO_INSPECT) from None
    trials = [load_trial(run, number) for number in numbers]
    return [inspect_log.write(run, trials, folder)] if trials else []


FORMATS: dict[str, Export] = {
    "html": _each(html.write),
    "messages": _each(messages.write),
    "markdown": _each(markdown.write),
    "atif": _each(atif.write),
    "inspect": _inspect,
}
# Of a whole run one page more, written first: the pages of its trials link to it.
_INDEX: dict[str, Callable[[Path, Sequence[int], Path], Path]] = {"html": run_page.write}


class _Problem(click.ClickException):
    """Something to put right by whoever called: one line, and status 2."""

    exit_code = 2


class _Command(click.Command):
    """Says what is wrong with the arguments without a page of usage around it."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            raise _Problem(f"{error.format_message()} See --help.") from error


@click.command(cls=_Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "name",
    type=click.Choice(list(FORMATS)),
    default="html",
    show_default=True,
    help="html: standalone pages of the run and of each trial; messages: Messages API JSON; "
    "markdown: with images; atif: Harbor's trajectories; inspect: one log for Inspect.",
)
@click.option(
    "--trial",
    "trials",
    type=int,
    multiple=True,
    metavar="K",
    help="Only this trial; may be given again.  [default: all]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to write.  [default: RUN/export]",
)
def main(run: Path, name: str, trials: tuple[int, ...], out: Path | None) -> None:
    """Export the trials of the run folder RUN, and print the files written."""
    folder = out or run / "export"
    try:
        numbers = trial_numbers(run, trials)
        folder.mkdir(parents=True, exist_ok=True)
        if name in _INDEX and not trials:
            click.echo(_INDEX[name](run, numbers, folder))
        for path in FORMATS[name](run, numbers, folder):
            click.echo(path)
    except RunError as error:
        raise _Problem(str(error)) from error
    except OSError as error:
        where = error.filename or folder
        text = f"Can't write {where}: {error.strerror}. Choose another folder with --out."
        raise _Problem(text) from error
    if not numbers:
        click.echo(f"{run} has no trials yet.", err=True)


if __name__ == "__main__":
    main()
