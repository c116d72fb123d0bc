"""All tasks by name."""

from __future__ import annotations

import difflib

from task_spec.model import Task, TaskError
from task_spec.tinylm import TASK as TINYLM
from task_spec.transits import TASK as TRANSITS

TASKS: dict[str, Task] = {task.name: task for task in (TRANSITS, TINYLM)}


def get_task(name: str) -> Task:
    """The task of that name; TaskError names those that exist."""
    if name in TASKS:
        return TASKS[name]
    near = difflib.get_close_matches(name, TASKS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise TaskError(f"unknown task {name!r}: {hint}there is {', '.join(TASKS)}")
