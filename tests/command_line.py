"""Command lines, called in this process: to import one takes longer than to call it."""

from __future__ import annotations

import importlib
import io
from contextlib import redirect_stderr, redirect_stdout

import pytest

from task_spec import cli


def called(module: str, *arguments: object, **environment: str) -> tuple[object, str, str]:
    """Status, standard output and standard error of `python -m module`."""
    command = importlib.import_module(module).main
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [module, *map(str, arguments)])
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            cli.run(command, f"python -m {module}")
    return ended.value.code, out.getvalue(), err.getvalue()


def refused(module: str, *arguments: object, **environment: str) -> str:
    """The one line that `python -m module` says before it ends with status 2."""
    status, _, told = called(module, *arguments, **environment)
    assert status == 2, told
    (line,) = told.strip().splitlines()
    return line
