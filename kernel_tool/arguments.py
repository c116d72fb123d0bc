"""The arguments of each tool: their form, their explanation, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

M = TypeVar("M", bound=BaseModel)


class ArgumentError(ValueError):
    """Arguments that a tool can't take; the message says why, and what it takes."""


def _as_list(value: Any) -> Any:
    """A single id where a list was asked for is a list of one."""
    if value in (["all"], ["*"], "*"):
        return "all"
    return [value] if isinstance(value, str) and value != "all" else value


CellIds = Annotated[list[str] | Literal["all"], BeforeValidator(_as_list)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReadNotebook(_Arguments):
    cells: CellIds = Field("all", description='Cell ids, or "all".')
    original: bool = Field(
        False, description="true: the notebook as it was delivered, without your edits."
    )
    outputs: bool = Field(False, description="true: also the text of each cell's last outputs.")


class EditCell(_Arguments):
    cell_id: str = Field(description="Id of the cell to change.")
    old: str | None = Field(
        None,
        description="Text to replace, exactly as in the cell, indentation included and line "
        "numbers left out. It must occur exactly once in the cell.",
    )
    new: str | None = Field(None, description="Text to put in its place; may be empty.")
    source: str | None = Field(
        None, description="The whole new source of the cell, instead of `old` and `new`."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        pair = self.old is not None and self.new is not None
        single = self.source is not None
        if pair == single or (single and (self.old or self.new)):
            raise ValueError("give either both `old` and `new`, or `source` alone")
        return self


class InsertCell(_Arguments):
    after: str = Field(
        description='Id of the cell after which the new one goes; "start": before all others.'
    )
    source: str = Field(description="Source of the new cell.")
    cell_type: Literal["code", "markdown"] = Field("code", description="Type of the new cell.")


class DeleteCell(_Arguments):
    cell_id: str = Field(description="Id of the cell to delete.")


class RunCells(_Arguments):
    cells: CellIds = Field(
        description='Ids of the cells to run, in this order, in the running kernel. "all": start '
        "a fresh kernel and run every code cell in order."
    )
    timeout_seconds: Seconds | None = Field(
        None, description="Seconds that each cell may run; default {cell_timeout:g}."
    )


class RunCode(_Arguments):
    code: str = Field(description="Python code. IPython magics work; input() does not.")
    timeout_seconds: Seconds | None = Field(
        None, description="Seconds that the code may run; default {cell_timeout:g}."
    )


class RestartKernel(_Arguments):
    pass


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments: inline, without titles, nulls or references."""
    schema: dict[str, Any] = model.model_json_schema()
    properties = {name: _plainer(part) for name, part in schema.get("properties", {}).items()}
    required = schema.get("required", [])
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _plainer(part: dict[str, Any]) -> dict[str, Any]:
    """An optional argument is one that may be left out; that it may be null is not said."""
    part = {key: value for key, value in part.items() if key != "title"}
    if part.get("default", 0) is None:
        del part["default"]
    options = [option for option in part.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        del part["anyOf"]
        part = {**options[0], **part}
    return part


def as_object(arguments: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as an object, where they, or values in them, came as JSON text instead.

    Raises ArgumentError where they are nothing of the kind.
    """
    if isinstance(arguments, str):
        arguments = _parsed(arguments)
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, Mapping):
        raise ArgumentError(f"The arguments must be one JSON object. {form(schema)}")
    properties = schema.get("properties", {})
    return {
        str(name): _parsed(value) if _is_structure(properties.get(name, {})) else value
        for name, value in arguments.items()
    }


def _is_structure(part: Mapping[str, Any]) -> bool:
    kinds = {option.get("type") for option in [part, *part.get("anyOf", [])]}
    return bool(kinds & {"array", "object"})


def _parsed(value: Any) -> Any:
    """JSON text of an array or object as that; anything else unchanged."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def validated(model: type[M], arguments: dict[str, Any]) -> M:
    """The arguments as their model. Raises ArgumentError."""
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        problems = "; ".join(dict.fromkeys(_in_words(problem) for problem in error.errors()))
        raise ArgumentError(f"{problems}. {form(json_schema(model))}") from None


def _in_words(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "missing":
        return f"`{name}` is missing"
    if problem["type"] == "extra_forbidden":
        return f"there is no parameter `{name}`"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"`{name}`: {message}" if name else message


def form(schema: Mapping[str, Any]) -> str:
    """The parameters of a tool in one line."""
    required = schema.get("required", [])
    shown = [
        f"{name}: {_kind(part)}{'' if name in required else ' (optional)'}"
        for name, part in schema.get("properties", {}).items()
    ]
    return f"The parameters are {{{', '.join(shown)}}}." if shown else "It takes no parameters."


def _kind(part: Mapping[str, Any]) -> str:
    if "anyOf" in part:
        return " or ".join(_kind(option) for option in part["anyOf"])
    if "const" in part:
        return json.dumps(part["const"])
    if "enum" in part:
        return " or ".join(json.dumps(value) for value in part["enum"])
    inner = f" of {_kind(part['items'])}" if "type" in part.get("items", {}) else ""
    return f"{part.get('type', 'any')}{inner}"
