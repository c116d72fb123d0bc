"""An episode for an MCP client: it starts with the first call, since clients start servers just to
see what they have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import click

from grader.outside.options import start_options
from grader.outside.starting import Prepared, launch, prepare
from grader.outside.wire import Hosted, HostError, ask, attach, unpacked
from grader.playing import session_tools
from kernel_tool.results import Fault, Text, ToolResult
from task_spec.cli import Failure, run
from task_spec.prompt import render_prompt

Serve = Callable[["Bridge", int | None], None]


class Bridge:
    """An episode that is hosted by another process, and outlives this one until it is graded.

    If this process ends before a submission, however, so does the episode.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.prompt = render_prompt(prepared.variant.task)
        self.tools = session_tools(prepared.variant)
        self._prepared = prepared
        self._starting = asyncio.Lock()
        self._hosted: Hosted | None = None
        self._attached = AsyncExitStack()
        self._over = asyncio.Event()

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Serve a call; starts the episode if it is the first."""
        try:
            hosted = await self._host()
            question = {"do": "call", "name": name, "arguments": arguments}
            answer = await ask(hosted.socket, question)
        except (HostError, Failure) as error:
            return ToolResult((Text(str(error)),), Fault.TOOL)
        if answer["over"]:
            self._over.set()
        return unpacked(answer)

    async def ended(self) -> None:
        """Returns once something was submitted, or the episode came to another end."""
        await self._over.wait()

    async def _host(self) -> Hosted:
        async with self._starting:
            if self._hosted is None:
                self._hosted = await asyncio.to_thread(launch, self._prepared)
                await self._attached.enter_async_context(attach(self._hosted.socket))
        return self._hosted


def command(serve: Serve) -> None:
    """The command line of ``python -m kernel_tool.mcp``."""

    @click.command()
    @start_options
    @click.option(
        "--http",
        "port",
        type=click.IntRange(1, 65535),
        metavar="PORT",
        help="Serve by streamable HTTP at http://127.0.0.1:PORT/mcp instead of over stdio.",
    )
    @click.pass_context
    def main(context: click.Context, /, port: int | None, **options: Any) -> None:
        """Serve one episode to an MCP client: its tools, the task, and submit, which ends it."""
        serve(Bridge(prepare(context, options)), port)

    run(main, "python -m kernel_tool.mcp")
