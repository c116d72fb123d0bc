"""Wrong use of a command line, tried in this process: to import it takes longer than to refuse."""

from __future__ import annotations

import importlib
import io
from contextlib import redirect_stderr

import pytest

from task_spec import cli


def refused(module: str, *arguments: object) -> str:
    """The one line that `python -m module` says before it ends with status 2."""
    command = importlib.import_module(module).main
    told = io.StringIO()
    with redirect_stderr(told), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [module, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.run(command, f"python -m {module}")
    assert ended.value.code == 2, told.getvalue()
    (line,) = told.getvalue().strip().splitlines()
    return line
