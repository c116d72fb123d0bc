"""What each tool does with the notebook and the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kernel_tool import arguments as forms
from kernel_tool.execution import Execution
from kernel_tool.files import write_inside
from kernel_tool.kernel import Kernel
from kernel_tool.limits import Ledger, Limits
from kernel_tool.notebook import EditError, NotebookDocument
from kernel_tool.outputs import Section, render
from kernel_tool.results import Image, Text

Parts = list[Text | Image]

# Where the whole text of a shortened answer goes, within the workspace.
OUTPUTS = ".outputs"

_OUTCOMES = {
    "ok": "ok",
    "error": "error",
    "timeout": "timeout, variables kept",
    "died": "the kernel died; a fresh one has taken its place, all variables are gone",
}


class Workbench:
    """A notebook with its kernel. Each public method is a tool and takes its arguments.

    Methods raise EditError for what the model got wrong, and KernelStartError where no kernel
    could be started.
    """

    def __init__(
        self,
        kernel: Kernel,
        document: NotebookDocument,
        notebook_path: Path,
        limits: Limits,
        ledger: Ledger,
    ) -> None:
        self._kernel = kernel
        self._document = document
        self._original = NotebookDocument(document.node)
        self._path = notebook_path
        self._limits = limits
        self._ledger = ledger

    async def read_notebook(self, asked: forms.ReadNotebook) -> Parts:
        document = self._original if asked.original else self._document
        cells = None if asked.cells == "all" else asked.cells
        return [Text(document.render(cells, asked.outputs) or "The notebook has no cells.")]

    async def edit_cell(self, asked: forms.EditCell) -> Parts:
        if asked.source is not None:
            self._document.replace(asked.cell_id, asked.source)
        else:
            self._document.edit(asked.cell_id, asked.old or "", asked.new or "")
        return [Text(f"Cell {asked.cell_id} changed.{self.save()}")]

    async def insert_cell(self, asked: forms.InsertCell) -> Parts:
        at_start = asked.after == "start" and "start" not in self._document.ids
        after = None if at_start else asked.after
        cell_id = self._document.insert(after, asked.source, asked.cell_type)
        return [Text(f"Cell {cell_id} inserted.{self.save()}")]

    async def delete_cell(self, asked: forms.DeleteCell) -> Parts:
        self._document.delete(asked.cell_id)
        return [Text(f"Cell {asked.cell_id} deleted.{self.save()}")]

    async def restart_kernel(self, _: forms.RestartKernel) -> Parts:
        await self._kernel.restart()
        return [Text("A fresh kernel is running; all variables are gone.")]

    async def run_code(self, asked: forms.RunCode) -> Parts:
        execution = await self._execute(asked.code, asked.timeout_seconds)
        return self._render([Section(_heading("code", execution), execution)])

    async def run_cells(self, asked: forms.RunCells) -> Parts:
        cell_ids = await self._to_run(asked.cells)
        sections: list[Section] = []
        for cell_id in cell_ids:
            execution = await self._execute(self._document.source(cell_id), asked.timeout_seconds)
            self._document.record(cell_id, execution.outputs, execution.execution_count)
            sections.append(Section(_heading(f"cell {cell_id}", execution), execution))
            if execution.status != "ok" or self._ledger.seconds_left == 0:
                break
        tail = _not_run(cell_ids[len(sections) :]) + self.save()
        return [*self._render(sections), *([Text(tail.strip())] if tail else [])]

    async def _to_run(self, asked: Sequence[str]) -> list[str]:
        if asked == "all":
            await self._kernel.restart()
            self._document.clear_outputs()
            return self._document.code_ids
        texts = [one for one in asked if not self._document.is_code(one)]
        if texts:
            raise EditError(f"Only code cells can be run; {', '.join(texts)} is markdown.")
        return list(asked)

    async def _execute(self, code: str, asked: float | None) -> Execution:
        limit = min(asked or self._limits.cell_timeout, self._ledger.seconds_left)
        execution = await self._kernel.execute(code, limit)
        self._ledger.kernel_seconds += execution.seconds
        return execution

    def _render(self, sections: list[Section]) -> Parts:
        if not sections:
            return [Text("There was no code cell to run.")]
        return render(sections, self._limits.shown, self._keep_whole)

    def _keep_whole(self, text: str) -> str:
        name = f"{self._ledger.calls:03}.txt"
        try:
            write_inside(self._path.parent / OUTPUTS, name, text)
        except OSError as error:
            return f"[the whole text could not be written to {OUTPUTS}/{name}: {error.strerror}]"
        return f"[the whole text is in the file {OUTPUTS}/{name}: read parts of it with run_code]"

    def save(self) -> str:
        """Write the notebook to the workspace. It is a copy: what is submitted is in memory."""
        try:
            write_inside(self._path.parent, self._path.name, self._document.to_json())
        except OSError as error:
            return f" [the copy in {self._path.name} could not be written: {error.strerror}]"
        return ""


def _heading(what: str, execution: Execution) -> str:
    count = f" [{execution.execution_count}]" if execution.execution_count else ""
    return f"--- {what}{count}: {_OUTCOMES[execution.status]}, {execution.seconds:.1f} s"


def _not_run(cell_ids: Sequence[str]) -> str:
    return f"Not run: {', '.join(cell_ids)}." if cell_ids else ""
