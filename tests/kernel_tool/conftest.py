"""Kernels, notebooks and sessions for the tests: all real."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.scratch import scratch_folder
from kernel_tool.servers import shared_server
from kernel_tool.session import Limits, Session, SubmitTool

CELLS = {
    "setup": "x = 1\nprint('x is', x)",
    "double": "y = x * 2\nprint('y is', y)",
    "fails": "z = y / 0",
    "last": "print('last')",
}
OpenSession = Callable[..., contextlib.AbstractAsyncContextManager[Session]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
async def kernel(workspace: Path) -> AsyncIterator[Kernel]:
    async with Kernel(Launcher(), workspace, grace=2.0) as running:
        yield running


@pytest.fixture
def notebook(workspace: Path) -> Path:
    cells = [new_code_cell(source, id=cell_id) for cell_id, source in CELLS.items()]
    node = new_notebook(cells=[new_markdown_cell("# Protocol", id="intro"), *cells])
    nbformat.write(node, workspace / "transits.ipynb")
    return workspace / "transits.ipynb"


def problems(report: dict[str, Any]) -> list[str]:
    return [] if isinstance(report.get("bugs"), list) else ["`bugs` must be a list"]


SUBMIT = SubmitTool(
    "Hands in the notebook and the bugs.",
    {
        "type": "object",
        "properties": {"bugs": {"type": "array", "items": {"type": "object"}}},
        "required": ["bugs"],
    },
    problems,
)


@pytest.fixture
def open_session(notebook: Path, workspace: Path) -> OpenSession:
    def opened(**limits: Any) -> Session:
        return Session(notebook, workspace, Launcher(), Limits(**limits), SUBMIT)

    return opened


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session() as running:
        yield running


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of our own, so that whatever is left in it is a kernel's."""
    shared_server(sys.executable)
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        scratch_folder("first").rmdir()  # with it comes what clears up after this process
        yield Path(folder)
