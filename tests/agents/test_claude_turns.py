"""An episode with Claude as it should go: what is sent, and what comes of it."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from grader.agents.base import ToolCall, Turn, Usage
from grader.agents.claude import ClaudeAgent
from kernel_tool.results import Fault as Blame
from kernel_tool.results import Image, Text, ToolResult
from tests.agents.playing import TOOLS, playing
from tests.agents.stand_in import MODEL, StandIn, episode
from tests.agents.stand_in_replies import Reply, call, text, thinking

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
IMAGE = {
    "type": "image",
    "source": {
        "type": "base64",
        "media_type": "image/png",
        "data": base64.b64encode(PNG).decode(),
    },
}


def answered(turn: Turn, *results: ToolResult) -> list[tuple[ToolCall, ToolResult]]:
    return list(zip(turn.calls, results, strict=True))


def said(words: str) -> ToolResult:
    return ToolResult((Text(words),))


async def test_an_episode_from_the_prompt_to_the_last_word() -> None:
    script = [Reply(text("I look."), call("run", {"cell": "a"})), Reply(text("Done."))]
    async with playing(script) as (agent, server):
        first = await agent.begin("Repair it.", TOOLS)
        last = await agent.turn(answered(first, said("42")))
    assert (first.text, first.stop_reason) == ("I look.", "tool_use")
    assert [(c.name, c.arguments) for c in first.calls] == [("run", {"cell": "a"})]
    assert (last.text, last.calls, last.stop_reason) == ("Done.", (), "end_turn")
    assert server.requests[0].last == [text("Repair it.")]
    assert server.requests[1].results == [
        {
            "type": "tool_result",
            "tool_use_id": first.calls[0].id,
            "content": [text("42")],
            "is_error": False,
        }
    ]


async def test_the_request_asks_for_caching_thinking_and_the_tools_as_given() -> None:
    async with playing([Reply(text("Hello."))]) as (agent, server):
        await agent.begin("Hi", TOOLS)
    body = server.requests[0].body
    assert body["cache_control"] == {"type": "ephemeral"}
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["tools"] == list(TOOLS)
    assert body["stream"] is True
    assert "output_config" not in body


async def test_address_key_and_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    with StandIn([Reply(text("Hello."))]) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", server.key)
        agent = ClaudeAgent(MODEL, max_tokens=77, effort="low")
        try:
            assert (await agent.begin("Hi", TOOLS)).text == "Hello."
        finally:
            await agent.close()
    assert server.requests[0].body["output_config"] == {"effort": "low"}
    assert server.requests[0].body["max_tokens"] == 77


async def test_two_calls_are_answered_in_order_in_one_message_before_the_note() -> None:
    script = [Reply(call("run", {"cell": "a"}), call("run", {"cell": "b"})), Reply(text("Done."))]
    async with playing(script) as (agent, server):
        first = await agent.begin("Go.", TOOLS)
        results = answered(first, said("one"), said("two"))
        # However they are handed over, the order of the calls is the order of the answers.
        await agent.turn(results[::-1], note="Two calls are left.")
    *sent, note = server.requests[1].last
    assert [block["tool_use_id"] for block in sent] == [c.id for c in first.calls]
    assert [block["content"] for block in sent] == [[text("one")], [text("two")]]
    assert note == text("Two calls are left.")


async def test_images_keep_their_place_in_a_result() -> None:
    result = ToolResult((Text("before"), Image(PNG), Text(" \n"), Text("after")))
    async with playing([Reply(call("run", {})), Reply(text("Nice."))]) as (agent, server):
        first = await agent.begin("Plot.", TOOLS)
        await agent.turn(answered(first, result))
    assert server.requests[1].results[0]["content"] == [text("before"), IMAGE, text("after")]


@pytest.mark.parametrize("words", ["It timed out.", ""])
async def test_an_error_has_its_images_beside_it(words: str) -> None:
    result = ToolResult((Text(words), Image(PNG)), fault=Blame.MODEL)
    async with playing([Reply(call("run", {})), Reply(text("Oh."))]) as (agent, server):
        first = await agent.begin("Plot.", TOOLS)
        await agent.turn(answered(first, result))
    error, image = server.requests[1].last
    assert error["is_error"] is True
    assert error["content"] == [text(words or "The call failed.")]
    assert image == IMAGE


async def test_a_result_may_be_empty() -> None:
    async with playing([Reply(call("run", {})), Reply(text("Done."))]) as (agent, server):
        first = await agent.begin("Go.", TOOLS)
        await agent.turn(answered(first, ToolResult(())))
    assert server.requests[1].results[0]["content"] == []


async def test_a_call_without_a_result_is_answered_as_not_run() -> None:
    script = [Reply(call("run", {}), call("run", {})), Reply(text("Well."))]
    async with playing(script) as (agent, server):
        first = await agent.begin("Go.", TOOLS)
        await agent.turn([(first.calls[0], said("one"))], note="The budget is spent.")
    second = server.requests[1].results[1]
    assert second["is_error"] is True
    assert second["content"] == [text("This call was not run.")]


async def test_thinking_is_collected_and_sent_back_unchanged() -> None:
    hidden: dict[str, Any] = {"type": "redacted_thinking", "data": "c2VjcmV0"}
    script = [
        Reply(thinking("First I read."), hidden, text("Reading."), call("run", {"cell": "a"})),
        Reply(thinking(""), thinking("Now what?"), call("run", {"cell": "b"})),
        Reply(text("Done.")),
    ]
    async with playing(script) as (agent, server):
        first = await agent.begin("Go.", TOOLS)
        second = await agent.turn(answered(first, said("x")))
        last = await agent.turn(answered(second, said("y")))
    assert (first.thinking, second.thinking, last.thinking) == ("First I read.", "Now what?", "")
    # The stand-in would have refused a thinking block that was changed, moved or left out.
    sent = server.requests[2].body["messages"]
    assert sent[1]["content"][:2] == [thinking("First I read.", "signature_1_0"), hidden]
    assert sent[3]["content"][0] == thinking("", "signature_2_0")


async def test_usage_by_kind() -> None:
    usage = {
        "input_tokens": 3,
        "output_tokens": 40,
        "cache_read_input_tokens": 500,
        "cache_creation_input_tokens": 6000,
    }
    async with playing([Reply(text("Hello."), usage=usage)]) as (agent, _):
        turn = await agent.begin("Hi", TOOLS)
    assert turn.usage == Usage(input=3, output=40, cache_read=500, cache_write=6000)


@pytest.mark.parametrize("blocks", [(), (text(""),), (text("\n"),)])
async def test_a_reply_of_nothing_is_not_sent_back(blocks: tuple[dict[str, Any], ...]) -> None:
    async with playing([Reply(*blocks), Reply(text("Sorry."))]) as (agent, server):
        first = await agent.begin("Go.", TOOLS)
        second = await agent.turn((), note="Submit before you stop.")
    assert first.calls == ()
    assert second.text == "Sorry."
    assert server.requests[1].last == [text("Go."), text("Submit before you stop.")]


async def test_empty_text_beside_a_call_is_left_out() -> None:
    script = [Reply(text(""), call("run", {})), Reply(text("Done."))]
    async with playing(script) as (agent, _):
        first = await agent.begin("Go.", TOOLS)
        assert (await agent.turn(answered(first, said("x")))).text == "Done."


async def test_a_turn_after_the_last_word_without_a_note() -> None:
    async with playing([Reply(text("Done.")), Reply(text("Really."))]) as (agent, _):
        await agent.begin("Go.", TOOLS)
        assert (await agent.turn(())).text == "Really."


async def test_one_stand_in_plays_an_episode_for_several_agents_at_once() -> None:
    script = episode(Reply(call("run", {})), Reply(text("Done.")))

    async def play(agent: ClaudeAgent) -> str:
        first = await agent.begin("Go.", TOOLS)
        return (await agent.turn(answered(first, said("x")))).text

    with StandIn(script) as server:
        async with AsyncAnthropic(base_url=server.url, api_key=server.key) as client:
            agents = [ClaudeAgent(MODEL, client=client) for _ in range(8)]
            assert await asyncio.gather(*map(play, agents)) == ["Done."] * 8
