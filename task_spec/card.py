"""``python -m task_spec.card TASK``: the reviewer's page of a task, in Markdown."""

from __future__ import annotations

from pathlib import Path

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from task_spec.cli import Failure, run
from task_spec.diff import edits_diff, plant_diff
from task_spec.model import Bug, Task, TaskError
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


def render_card(task: Task) -> str:
    """Prompt, bugs as diffs with their sources, near misses, checks with bounds and worlds."""
    every = Variant(task, task.bugs)

    def places(bug: Bug) -> str:
        return ", ".join(
            f"{cell}:{first}-{last}"
            for cell, ranges in every.places(bug).items()
            for first, last in dict.fromkeys(ranges)
        )

    return _TEMPLATES.get_template("card.md.j2").render(
        task=task,
        prompt=render_prompt(task),
        worlds=task.worlds(0, 0),
        places=places,
        diff=lambda bug: plant_diff(task, bug),
        repair_diff=lambda repair: edits_diff(task, repair.edits),
    )


@click.command()
@click.argument("task", default="transits")
def main(task: str) -> None:
    """Print the reviewer's page of TASK."""
    try:
        click.echo(render_card(get_task(task)))
    except TaskError as error:
        raise Failure(str(error)) from None


if __name__ == "__main__":
    run(main, "python -m task_spec.card")
