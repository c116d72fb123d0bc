"""What the command lines share: options that choose a variant, and errors of one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from task_spec.composition import DEFAULT_LEVEL, Composition, choose, compose
from task_spec.model import Kind, TaskError
from task_spec.variant import Variant

F = TypeVar("F", bound=Callable[..., Any])

_VARIANT_OPTIONS = (
    click.option("--task", default="transits", show_default=True, help="Name of the task."),
    click.option("--level", help=f"How hard: see task_spec.card.  [default: {DEFAULT_LEVEL}]"),
    click.option("--bugs", type=int, help="Plant this many bugs, drawn by the variant's seed."),
    click.option(
        "--kinds", help=f"Only bugs of these kinds, of {', '.join(Kind)}; separated by commas."
    ),
    click.option(
        "--noise",
        type=float,
        help="How hard faults of the data are to see, 0 to 1.  [default: the level's]",
    ),
    click.option(
        "--held-out", is_flag=True, help="Plant the bugs that no other variant has, and others."
    ),
    click.option("--only", help="Plant these bugs and no others: ids, separated by commas."),
)
# What chooses bugs by other means than naming them.
COMPOSING = ("level", "bugs", "kinds", "held_out")


variant_seed_option = click.option(
    "--variant",
    "variant_seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Seed of the variant: draws the data, and the bugs.",
)


class Failure(click.ClickException):
    """What a user can mend. ``message`` is one line that says what to do."""

    exit_code = 2


def variant_options(command: F) -> F:
    """Adds the options that choose a task and its bugs."""
    for option in reversed(_VARIANT_OPTIONS):
        command = option(command)
    return command


def variant_of(options: Mapping[str, Any]) -> Variant:
    """The variant that options name: those of `variant_options`, and ``variant_seed``. Failure if
    there is none."""
    # Here, since a task brings scikit-learn and more, for which not every command line has a use.
    from task_spec.registry import get_task

    try:
        return choose(
            get_task(options["task"]),
            level=options["level"],
            count=options["bugs"],
            kinds=_kinds(options["kinds"]),
            noise=options["noise"],
            held_out=options["held_out"],
            only=listed(options["only"]),
            seed=options["variant_seed"],
        )
    except TaskError as error:
        raise Failure(str(error)) from None


def defaulted(context: click.Context) -> set[str]:
    """The options that were not given."""
    default = click.core.ParameterSource.DEFAULT
    return {name for name in context.params if context.get_parameter_source(name) is default}


def composition_of(options: Mapping[str, Any]) -> Composition:
    """What the same options draw a variant's bugs from. Failure if nothing fits."""
    from task_spec.registry import get_task

    try:
        task = get_task(options["task"])
        level = task.level(options["level"] or DEFAULT_LEVEL)
        kinds, held_out = _kinds(options["kinds"]), options["held_out"]
        return compose(task, level, count=options["bugs"], kinds=kinds, held_out=held_out)
    except TaskError as error:
        raise Failure(str(error)) from None


def listed(text: str | None) -> list[str] | None:
    """What an option lists, separated by commas; None where it was not given."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _kinds(text: str | None) -> list[Kind] | None:
    names = listed(text)
    for name in names or ():
        if name not in set(Kind):
            raise TaskError(f"--kinds takes {', '.join(Kind)}; there is no {name!r}")
    return None if names is None else [Kind(name) for name in names]


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
