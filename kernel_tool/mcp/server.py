"""An MCP server for one episode. It knows nothing of tasks: the episode is given to it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts import Prompt
from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent, Tool

from kernel_tool.mcp.fit import fitted
from kernel_tool.results import Image, Text, ToolResult

READ_TASK = "read_task"
_READ_TASK = Tool(
    name=READ_TASK,
    description="The task, in full. Read it before anything else. This call is not counted.",
    input_schema={"type": "object", "properties": {}, "additionalProperties": False},
)
_INSTRUCTIONS = (
    "One episode of Silent Bugs: a notebook in a live Jupyter kernel, to be repaired and reported "
    f"on. Call {READ_TASK} first; submit ends the episode. Use these tools only."
)
# After the end of an episode, for answers that are still under way.
_LINGER = 1.0


class Episode(Protocol):
    """What a server serves. ``tools``: name, description, input_schema, as the Messages API."""

    prompt: str
    tools: Sequence[Mapping[str, Any]]

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Serve a call. The first one may start the episode."""

    async def ended(self) -> None:
        """Returns once the episode is over."""


class EpisodeServer(MCPServer[Any]):
    """The tools of an episode, with its prompt as a tool and as a prompt named ``task``."""

    def __init__(self, episode: Episode) -> None:
        super().__init__(name="silent-bugs", instructions=_INSTRUCTIONS, log_level="WARNING")
        self._episode = episode
        self.add_prompt(
            Prompt.from_function(lambda: episode.prompt, name="task", description="The task.")
        )

    async def list_tools(self) -> list[Tool]:
        """All tools, with the schemas that the episode gives them."""
        return [_READ_TASK, *(Tool(**_keys(tool)) for tool in self._episode.tools)]

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any],
        context: Context[Any, Any] | None = None,  # noqa: ARG002
    ) -> CallToolResult:
        """Serve a call; what is wrong with it is in the result."""
        if name == READ_TASK:
            return _packed(ToolResult((Text(self._episode.prompt),)))
        return _packed(fitted(await self._episode.call(name, arguments)))


def _keys(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tool[key] for key in ("name", "description", "input_schema")}


def _packed(result: ToolResult) -> CallToolResult:
    content: list[ContentBlock] = [_content(part) for part in result.content]
    return CallToolResult(content=content, is_error=result.is_error)


def _content(part: Text | Image) -> TextContent | ImageContent:
    if isinstance(part, Text):
        return TextContent(type="text", text=part.text)
    data = base64.b64encode(part.data).decode()
    return ImageContent(type="image", data=data, mime_type=part.media_type)


async def serve_stdio(episode: Episode) -> None:
    """Serve over standard input and output, until the client closes them."""
    await EpisodeServer(episode).run_stdio_async()


async def serve_http(episode: Episode, port: int) -> None:
    """Serve by streamable HTTP on the loopback interface, until the episode is over."""
    app = EpisodeServer(episode).streamable_http_app(host="127.0.0.1")
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    ending = asyncio.create_task(episode.ended())
    await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
    if ending.done():
        await asyncio.sleep(_LINGER)
    ending.cancel()
    server.should_exit = True
    await serving
