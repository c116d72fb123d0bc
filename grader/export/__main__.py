"""The command line: ``python -m grader.export RUN --format html``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from grader.export import html, markdown, messages
from grader.export.load import RunError, TrialRecord, load_trial, trial_numbers

FORMATS: dict[str, Callable[[TrialRecord, Path], Path]] = {
    "html": html.write,
    "messages": messages.write,
    "markdown": markdown.write,
}


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
    help="html: one standalone page a trial; messages: Messages API JSON; markdown: with images.",
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
    """Export the trials of the run folder RUN for review, and print the files written."""
    folder = out or run / "export"
    try:
        numbers = trial_numbers(run, trials)
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            click.echo(FORMATS[name](load_trial(run, number), folder))
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
