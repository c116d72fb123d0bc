"""A finished or unfinished run that a command line names."""

from __future__ import annotations

from pathlib import Path

from grader.run_folder import FolderError, Run, read_run
from task_spec.cli import Failure


def run_at(path: Path) -> Run:
    """The run in a folder. Failure says what is wrong with it."""
    try:
        return read_run(path)
    except FolderError as error:
        raise Failure(str(error)) from None
    except (OSError, ValueError) as error:
        raise Failure(f"can't read the run {path}: {error}") from None
