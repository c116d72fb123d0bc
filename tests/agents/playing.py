"""An agent that talks to a stand-in, for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anthropic import AsyncAnthropic

from grader.agents.claude import ClaudeAgent
from tests.agents.stand_in import MODEL, Script, StandIn

TOOLS = (
    {
        "name": "run",
        "description": "Run a cell.",
        "input_schema": {"type": "object", "properties": {"cell": {"type": "string"}}},
    },
)


@asynccontextmanager
async def playing(
    script: Script, *, model: str = MODEL, key: str = "", retries: int = 2, **options: Any
) -> AsyncIterator[tuple[ClaudeAgent, StandIn]]:
    """A fresh agent and the server it talks to; ``options`` are the server's."""
    with StandIn(script, **options) as server:
        client = AsyncAnthropic(
            base_url=server.url, api_key=key or server.key, max_retries=retries, timeout=10
        )
        async with client:
            yield ClaudeAgent(model, client=client), server
