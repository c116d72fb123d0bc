"""What the command lines share: options that choose a variant, and errors of one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from task_spec.model import TaskError
from task_spec.variant import Variant, choose

F = TypeVar("F", bound=Callable[..., Any])

_VARIANT_OPTIONS = (
    click.option("--task", default="transits", show_default=True, help="Name of the task."),
    click.option("--bugs", type=int, help="Plant this many bugs, drawn by the variant's seed."),
    click.option("--only", help="Plant these bugs and no others: ids, separated by commas."),
)


variant_seed_option = click.option(
    "--variant",
    "variant_seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Seed of the variant: draws the data, and the bugs where it is not 0.",
)


class Failure(click.ClickException):
    """What a user can mend. ``message`` is one line that says what to do."""

    exit_code = 2


def variant_options(command: F) -> F:
    """Adds the options that choose a task and its bugs."""
    for option in reversed(_VARIANT_OPTIONS):
        command = option(command)
    return command


def variant_of(task: str, bugs: int | None, only: str | None, seed: int) -> Variant:
    """The variant that options name. Failure if there is none."""
    # Here, since a task brings scikit-learn and more, for which not every command line has a use.
    from task_spec.registry import get_task

    ids = None if only is None else [part.strip() for part in only.split(",") if part.strip()]
    try:
        return choose(get_task(task), count=bugs, only=ids, seed=seed)
    except TaskError as error:
        raise Failure(str(error)) from None


def run(command: click.Command, prog_name: str) -> None:
    """Run a command line: what is wrong with its use ends in one line and exit status 2."""
    try:
        status = command.main(prog_name=prog_name, standalone_mode=False)
    except click.ClickException as error:
        text = " ".join(error.format_message().split())
        click.echo(f"error: {text} (options: {prog_name} --help)", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
