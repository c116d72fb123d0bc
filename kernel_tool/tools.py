"""The tools a model is offered: names, descriptions, and the forms of their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from kernel_tool import arguments as forms
from kernel_tool.limits import Limits

SUBMIT = "submit"


@dataclass(frozen=True)
class Tool:
    """A tool: its name is the name of the method of ``Workbench`` that does its work."""

    name: str
    description: str
    arguments: type[BaseModel]
    needs_time: bool = False


@dataclass(frozen=True)
class SubmitTool:
    """How a submission is made.

    description, input_schema: what the model is told; a JSON schema of an object.
    validate: the problems of a submission in words; with any it is refused, and the episode
        goes on.
    """

    description: str
    input_schema: Mapping[str, Any]
    validate: Callable[[dict[str, Any]], list[str]]


TOOLS: tuple[Tool, ...] = (
    Tool(
        "read_notebook",
        "Shows cells of the notebook: id, type, and source with line numbers. The numbers are no "
        "part of the source.",
        forms.ReadNotebook,
    ),
    Tool(
        "edit_cell",
        "Changes the source of a cell: replaces the one occurrence of `old` by `new`, or the "
        "whole source by `source`. Runs nothing.",
        forms.EditCell,
    ),
    Tool("insert_cell", "Adds a cell and answers its id. Runs nothing.", forms.InsertCell),
    Tool("delete_cell", "Deletes a cell. Variables it has set stay.", forms.DeleteCell),
    Tool(
        "run_cells",
        "Runs cells of the notebook and shows their outputs, plots as images; stops at the first "
        'error. Variables stay between calls, but "all" starts from a fresh kernel. A cell that '
        "runs too long is interrupted; what it printed is shown and variables stay.",
        forms.RunCells,
        needs_time=True,
    ),
    Tool(
        "run_code",
        "Runs scratch code in the kernel of the notebook and shows its output; it sees the "
        "notebook's variables and is not added to the notebook. The last expression is shown, as "
        "in a cell. The working folder is that of the notebook.",
        forms.RunCode,
        needs_time=True,
    ),
    Tool(
        "restart_kernel",
        "Replaces the kernel by a fresh one without any variables. Runs nothing.",
        forms.RestartKernel,
    ),
)


def definitions(limits: Limits, submit: SubmitTool) -> list[dict[str, Any]]:
    """All tools as the Messages API takes them: name, description, input_schema."""
    offered = [
        _definition(tool.name, tool.description, _filled(forms.json_schema(tool.arguments), limits))
        for tool in TOOLS
    ]
    return [*offered, _definition(SUBMIT, submit.description, dict(submit.input_schema))]


def _definition(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": description, "input_schema": schema}


def _filled(schema: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Descriptions with the limits' figures put in."""
    for part in schema["properties"].values():
        part["description"] = part["description"].format(cell_timeout=limits.cell_timeout)
    return schema
