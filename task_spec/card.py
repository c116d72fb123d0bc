"""``python -m task_spec.card``: the reviewer's page of a task or a variant, in Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from task_spec.cli import (
    COMPOSING,
    Failure,
    defaulted,
    run,
    variant_of,
    variant_options,
    variant_seed_option,
)
from task_spec.composition import compose
from task_spec.diff import brief_diff
from task_spec.model import Bug, Draw, Repair, Task, TaskError
from task_spec.prompt import render_prompt
from task_spec.registry import get_task
from task_spec.variant import Variant

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,
)


def render_card(task: Task, variant: Variant | None = None) -> str:
    """Prompt, bugs as diffs with their sources, near misses, checks with bounds and worlds.

    The bugs of a variant, or all of a task, and how levels draw from them.
    """
    every = Variant(task, task.bugs)
    bugs = task.bugs if variant is None else variant.bugs
    noise = "" if variant is None else f", noise {variant.noise:g}"
    which = "all" if variant is None else f"variant {variant.seed},"

    def places(bug: Bug) -> str:
        return ", ".join(
            f"{cell}:{first}-{last}"
            for cell, ranges in every.places(bug).items()
            for first, last in dict.fromkeys(ranges)
        )

    return _TEMPLATES.get_template("card.md.j2").render(
        task=task,
        title=f"{task.title} ({which} {len(bugs)} bugs{noise})",
        whole=variant is None,
        bugs=bugs,
        prompt=render_prompt(task),
        worlds=task.worlds(Draw(), 0),
        compositions=lambda level: compose(task, level),
        held_out=[bug.id for bug in task.bugs if bug.held_out],
        near_misses=_near_misses,
        places=places,
        diff=lambda bug: brief_diff(task, bug),
    )


def _near_misses(bug: Bug) -> list[tuple[str, list[Repair]]]:
    """Near misses by their sort, under its heading."""
    sorts = (("Obvious repairs, which fail", True), ("Near misses", False))
    by_sort = [(name, [m for m in bug.near_misses if m.obvious == sort]) for name, sort in sorts]
    return [(name, misses) for name, misses in by_sort if misses]


def lines_of(card: str) -> str:
    """How long a page is, part by part."""
    parts = re.split(r"^## ", card, flags=re.MULTILINE)
    return ", ".join(f"{part.split()[0].lower()} {part.count(chr(10))}" for part in parts[1:])


@click.command()
@click.argument("name", metavar="[TASK]", required=False)
@variant_options
@variant_seed_option
@click.pass_context
def main(context: click.Context, /, name: str | None, **options: Any) -> None:
    """Print the reviewer's page of TASK: of one variant if options choose it, else of all bugs."""
    options["task"] = name or options["task"]
    chosen = ("variant_seed", "noise", "only", *COMPOSING)
    try:
        task = get_task(options["task"])
    except TaskError as error:
        raise Failure(str(error)) from None
    one = not {*chosen} <= defaulted(context)
    card = render_card(task, variant_of(options) if one else None)
    click.echo(card)
    click.echo(f"{card.count(chr(10))} lines: {lines_of(card)}", err=True)


if __name__ == "__main__":
    run(main, "python -m task_spec.card")
