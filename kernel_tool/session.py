"""One episode's tools: every call goes through here, and none raises for what a model can do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kernel_tool.arguments import ArgumentError, as_object, form, validated
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.limits import Ledger, Limits, Status
from kernel_tool.notebook import EditError, NotebookDocument
from kernel_tool.results import Fault, Text, ToolResult
from kernel_tool.tools import SUBMIT, TOOLS, SubmitTool, Tool, definitions
from kernel_tool.workbench import Parts, Workbench

__all__ = ["Limits", "Session", "Status", "Submission", "SubmitTool"]

_TOOLS = {tool.name: tool for tool in TOOLS}


@dataclass(frozen=True)
class Submission:
    """What was handed in: the notebook as an nbformat node, and the arguments of ``submit``."""

    notebook: Any
    report: dict[str, Any]


class RefusedError(ValueError):
    """A call that can't be served, through no fault of the tools; the message says why."""


class Session:
    """A notebook and its kernel as tools, for one episode; an async context manager.

    notebook: the file as delivered; it is read once. workspace: the kernel's working folder,
        into which the edited notebook is written after each change.
    submission: what was handed in, once it was.
    tool_errors, model_errors: failed calls by whose fault it was.
    """

    def __init__(
        self,
        notebook: Path,
        workspace: Path,
        launcher: Launcher,
        limits: Limits,
        submit: SubmitTool,
    ) -> None:
        self._document = NotebookDocument.read(notebook)
        self._kernel = Kernel(launcher, workspace, limits.kept)
        self._ledger = Ledger(limits)
        self._submit_tool = submit
        self._lock = asyncio.Lock()
        self._open = False
        self.notebook_path = workspace / notebook.name
        self.submission: Submission | None = None
        self.tool_errors = 0
        self.model_errors = 0
        self.definitions: list[dict[str, Any]] = definitions(limits, submit)
        self._workbench = Workbench(
            self._kernel, self._document, self.notebook_path, limits, self._ledger
        )

    async def __aenter__(self) -> Self:
        """Write the notebook to the workspace and start the kernel. Raises KernelStartError."""
        self._workbench.save()
        await self._kernel.start()
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        await self._kernel.shutdown()

    @property
    def calls(self) -> int:
        """Tool calls so far, failed ones included."""
        return self._ledger.calls

    @property
    def kernel_seconds(self) -> float:
        """Wall time of all executions so far."""
        return self._ledger.kernel_seconds

    @property
    def exhausted(self) -> bool:
        """Whether calls or execution time are used up; submitting is still possible."""
        return self._ledger.exhausted

    def status(self) -> Status:
        """What has been used so far, against its limits."""
        ledger = self._ledger
        return Status(
            ledger.calls,
            ledger.limits.max_calls,
            ledger.kernel_seconds,
            ledger.limits.kernel_seconds,
            self._kernel.cpu_seconds(),
        )

    async def call(self, name: str, arguments: Any) -> ToolResult:
        """Serve one tool call. Calls are served one at a time, in the order they were made.

        Never raises except by cancellation: what is wrong with a call, or with the tools,
        is in the result's text and ``fault``.
        """
        async with self._lock:
            result = await self._guarded(name, arguments)
        self.tool_errors += result.fault is Fault.TOOL
        self.model_errors += result.fault is Fault.MODEL
        return result

    async def _guarded(self, name: str, arguments: Any) -> ToolResult:
        try:
            self._admit(name)
            parts, fault = await self._serve(name, arguments), None
        except (ArgumentError, EditError, RefusedError) as error:
            parts, fault = [Text(str(error))], Fault.MODEL
        except Exception as error:  # whatever broke, the episode goes on
            text = f"The tool {name} failed; this is not your fault. Try again. ({error!r})"
            parts, fault = [Text(text)], Fault.TOOL
        if self.submission is None and (footer := self._ledger.footer()):
            parts.append(Text(footer))
        return ToolResult(tuple(parts), fault)

    def _admit(self, name: str) -> None:
        """Count a call that is within the budget. Raises RefusedError for one that is not."""
        if not self._open:
            raise RuntimeError("the session is not open")
        if self.submission is not None:
            raise RefusedError("The episode is over: you have submitted.")
        if name != SUBMIT and self._ledger.calls_left == 0:
            raise RefusedError("All calls are used up. Only submit is left.")
        self._ledger.calls += 1
        if name != SUBMIT and name not in _TOOLS:
            raise RefusedError(
                f"There is no tool {name!r}. The tools: {', '.join([*_TOOLS, SUBMIT])}."
            )

    async def _serve(self, name: str, arguments: Any) -> Parts:
        if name == SUBMIT:
            return self._submit(as_object(arguments, self._submit_tool.input_schema))
        tool = _TOOLS[name]
        if tool.needs_time and self._ledger.seconds_left == 0:
            raise RefusedError("All execution time is used up. You can read, edit and submit.")
        parts: Parts = await getattr(self._workbench, name)(self._arguments(tool, arguments))
        return parts

    def _arguments(self, tool: Tool, arguments: Any) -> Any:
        schema = next(
            each["input_schema"] for each in self.definitions if each["name"] == tool.name
        )
        return validated(tool.arguments, as_object(arguments, schema))

    def _submit(self, report: Mapping[str, Any]) -> Parts:
        problems = self._submit_tool.validate(dict(report))
        if problems:
            listed = "\n".join(f"- {problem}" for problem in problems)
            schema = form(self._submit_tool.input_schema)
            raise RefusedError(f"Not submitted. Correct this and submit again:\n{listed}\n{schema}")
        self.submission = Submission(self._document.node, dict(report))
        return [Text("Submitted. The episode is over.")]
