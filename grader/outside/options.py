"""The options of an episode that is played from outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from grader.sandbox import sandbox_option
from task_spec.cli import variant_options, variant_seed_option

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    variant_options,
    click.option(
        "--agent", default="outside", show_default=True, help="Who plays, for the record."
    ),
    click.option("--model", help="The model that plays, for the record."),
    click.option(
        "--seed",
        type=click.IntRange(0),
        help="Draws the unpublished worlds.  [default: drawn at random]",
    ),
    variant_seed_option,
    click.option(
        "--idle-minutes",
        default=60.0,
        show_default=True,
        type=click.FloatRange(0, min_open=True),
        help="After so long without a call the episode ends, with nothing handed in.",
    ),
    click.option(
        "--trial-minutes",
        default=480.0,
        show_default=True,
        type=click.FloatRange(0, min_open=True),
        help="Wall time of the trial; one that takes longer counts as infrastructure.",
    ),
    sandbox_option,
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="Folder of the run; another trial is added to one that is there.  "
        "[default: new under runs/]",
    ),
)


def start_options(command: F) -> F:
    """Adds the options of an episode."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
