"""The stand-in refuses what the Messages API refuses: else it would prove nothing."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import AsyncAnthropic, BadRequestError

from tests.agents.playing import TOOLS
from tests.agents.stand_in import MODEL, StandIn
from tests.agents.stand_in_replies import Block, Reply, call, text, thinking

ASK = {"role": "user", "content": "Go."}
CALL = {"type": "tool_use", "id": "t1", "name": "run", "input": {}}
CALLS = {"role": "assistant", "content": [CALL]}


def user(*blocks: Block) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def answer(*content: Block, **more: Any) -> Block:
    return {"type": "tool_result", "tool_use_id": "t1", "content": list(content), **more}


def image(data: str, media_type: str = "image/png") -> Block:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


async def send(server: StandIn, *messages: Any, **parameters: Any) -> dict[str, Any]:
    async with AsyncAnthropic(base_url=server.url, api_key=server.key, max_retries=0) as client:
        sent: dict[str, Any] = {"max_tokens": 100, "tools": TOOLS, **parameters}
        message = await client.messages.create(model=MODEL, messages=messages, **sent)
        content: dict[str, Any] = message.to_dict(mode="json")
        return content


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "first message must use the user role"),
        ([CALLS], "first message must use the user role"),
        ([ASK, ASK], "roles must alternate"),
        ([ASK, {"role": "assistant", "content": "So"}], "prefill"),
        ([user()], "non-empty content"),
        ([user(text(""))], "must be non-empty"),
        ([user(text(" \n"))], "non-whitespace"),
        ([ASK, CALLS, user(text("Well?"))], "without `tool_result`"),
        ([ASK, CALLS, user(text("Well?"), answer())], "must come first"),
        ([ASK, CALLS, user(answer(), answer())], "a single result"),
        ([user(answer())], "unexpected `tool_use_id`"),
        ([ASK, CALLS, user(answer(is_error=True))], "cannot be empty if `is_error`"),
        ([ASK, CALLS, user(answer(image("aGk="), is_error=True))], "must be type `text`"),
        ([ASK, CALLS, user(answer(image("no base64!")))], "invalid base64"),
        ([user(image("aGk=", "image/bmp"))], "media_type"),
    ],
)
async def test_messages_that_are_refused(messages: list[Any], why: str) -> None:
    with StandIn([Reply(text("Hi."))]) as server, pytest.raises(BadRequestError) as error:
        await send(server, *messages)
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"thinking": {"type": "sometimes"}}, "thinking.type"),
        ({"cache_control": {"type": "forever"}}, "cache_control.type"),
        ({"tools": [{**TOOLS[0], "name": "no name"}]}, "bad name"),
        ({"tools": [{"name": "run", "input_schema": {"type": "object"}}]}, "description"),
        ({"tools": [{"name": "run", "description": "Runs."}]}, "input_schema"),
    ],
)
async def test_parameters_that_are_refused(parameters: dict[str, Any], why: str) -> None:
    with StandIn([Reply(text("Hi."))]) as server, pytest.raises(BadRequestError) as error:
        await send(server, ASK, **parameters)
    assert why in str(error.value)


@pytest.mark.parametrize("harm", ["words", "signature", "left out", "before", "tools"])
async def test_thinking_that_does_not_come_back_as_it_was(harm: str) -> None:
    script = [Reply(thinking("Hm."), call("run", {}, "t1")), Reply(text("Fine."))]
    with StandIn(script) as server:
        content = (await send(server, ASK))["content"]
        changed = [dict(block) for block in content]
        ask, tools = ASK, TOOLS
        match harm:
            case "words":
                changed[0]["thinking"] = "Ha."
            case "signature":
                changed[0]["signature"] = "forged"
            case "left out":
                changed.pop(0)
            case "before":
                ask = {"role": "user", "content": "Go!"}
            case "tools":
                tools = ({**TOOLS[0], "description": "Another."},)
        with pytest.raises(BadRequestError, match="thinking"):
            last = user(answer())
            await send(server, ask, {"role": "assistant", "content": changed}, last, tools=tools)
        unchanged = {"role": "assistant", "content": content}
        assert (await send(server, ASK, unchanged, last))["content"] == [text("Fine.")]


async def test_a_script_that_has_come_to_its_end() -> None:
    with StandIn([]) as server, pytest.raises(BadRequestError, match="come to its end"):
        await send(server, ASK)
