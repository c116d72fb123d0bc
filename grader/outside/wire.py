"""What passes between an episode's host and those who play: JSON, one line each way."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from kernel_tool.results import Fault, Image, Text, ToolResult

HOST = "host.json"
# A call may carry a whole notebook, a result six plots.
LONGEST = 64 << 20


class Hosted(BaseModel):
    """An episode that is being played: the folder of its trial (where ``host.json`` holds this),
    and how to reach it."""

    folder: Path
    socket: Path
    process: int


class HostError(RuntimeError):
    """The host of an episode can't be reached; the text says what to do."""


def packed(result: ToolResult) -> dict[str, Any]:
    """A tool's result as JSON."""
    return {
        "content": [
            {"text": part.text}
            if isinstance(part, Text)
            else {"image": base64.b64encode(part.data).decode(), "media_type": part.media_type}
            for part in result.content
        ],
        "fault": result.fault,
    }


def unpacked(data: dict[str, Any]) -> ToolResult:
    """The result of which ``data`` is the JSON."""
    parts = (
        Text(part["text"])
        if "text" in part
        else Image(base64.b64decode(part["image"]), part["media_type"])
        for part in data["content"]
    )
    return ToolResult(tuple(parts), None if data["fault"] is None else Fault(data["fault"]))


async def ask(socket: Path, question: dict[str, Any]) -> dict[str, Any]:
    """The host's answer to one question. Raises HostError."""
    async with _connected(socket) as (reader, writer):
        writer.write(json.dumps(question).encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
    if not line:
        raise HostError("the process of the episode was killed in the middle of a call")
    answer: dict[str, Any] = json.loads(line)
    return answer


@asynccontextmanager
async def attach(socket: Path) -> AsyncIterator[None]:
    """While this is open somebody plays: when it ends, or the process, the episode does, too."""
    async with _connected(socket) as (reader, writer):
        writer.write(json.dumps({"do": "attach"}).encode() + b"\n")
        await writer.drain()
        await reader.readline()
        yield


@asynccontextmanager
async def _connected(
    socket: Path,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        reader, writer = await asyncio.open_unix_connection(socket, limit=LONGEST)
    except OSError as error:
        raise HostError(f"the episode has ended, or its process was killed ({error})") from None
    try:
        yield reader, writer
    finally:
        writer.close()
