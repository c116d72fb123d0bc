"""Every way in which a message can stop."""

from __future__ import annotations

from typing import Any

import pytest

from grader.agents.base import Turn, Usage
from grader.agents.claude import MAX_CONTINUATIONS
from kernel_tool.results import Text, ToolResult
from tests.agents.playing import TOOLS, playing
from tests.agents.stand_in import Script
from tests.agents.stand_in_replies import Fault, Reply, call, text, thinking

CUT = "max_tokens"
DONE = ToolResult((Text("ok"),))


async def first_turn(script: Script) -> Turn:
    async with playing(script) as (agent, _):
        return await agent.begin("Go.", TOOLS)


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "tool_use", "a_reason_to_come"])
async def test_a_reason_without_calls_ends_the_turn_under_its_name(reason: str) -> None:
    turn = await first_turn([Reply(text("So."), stop_reason=reason)])
    assert (turn.text, turn.calls, turn.stop_reason) == ("So.", (), reason)


async def test_calls_count_whatever_the_reason_is_called() -> None:
    turn = await first_turn([Reply(call("run", {}), stop_reason="a_reason_to_come")])
    assert len(turn.calls) == 1


async def test_text_that_was_cut_goes_on_and_usage_adds_up() -> None:
    script = [
        Reply(thinking("Hm."), text("One, two,"), stop_reason=CUT),
        Reply(text("three."), call("run", {"cell": "a"})),
    ]
    async with playing(script) as (agent, server):
        turn = await agent.begin("Count.", TOOLS)
    assert (turn.text, turn.thinking) == ("One, two,\nthree.", "Hm.")
    assert [c.arguments for c in turn.calls] == [{"cell": "a"}]
    assert turn.stop_reason == "tool_use"
    assert turn.usage == Usage(input=20, output=10)
    assert "cut off" in server.requests[1].last[0]["text"]


@pytest.mark.parametrize("sent", ['{"cell": "a", "source": "x = 1', '{"cell": "a"}', ""])
async def test_a_call_that_was_cut_is_never_run_and_is_asked_for_again(sent: str) -> None:
    script = [
        Reply(thinking("I write."), call("run", sent), stop_reason=CUT),
        Reply(call("run", {"cell": "b"})),
    ]
    async with playing(script) as (agent, server):
        turn = await agent.begin("Go.", TOOLS)
    assert [c.arguments for c in turn.calls] == [{"cell": "b"}]
    answer, go_on = server.requests[1].last
    assert answer["is_error"] is True
    assert "not run" in answer["content"][0]["text"]
    assert "cut off" in go_on["text"]


async def test_calls_before_a_cut_one_are_run_and_the_cut_one_is_answered_with_them() -> None:
    script = [
        Reply(call("run", {"cell": "a"}), call("run", '{"cell": "b'), stop_reason=CUT),
        Reply(text("Done.")),
    ]
    async with playing(script) as (agent, server):
        first = await agent.begin("Go.", TOOLS)
        await agent.turn([(first.calls[0], DONE)])
    assert [c.arguments for c in first.calls] == [{"cell": "a"}]
    assert first.stop_reason == CUT
    ran, cut = server.requests[1].results
    assert (ran["content"], ran["is_error"]) == ([text("ok")], False)
    assert "cut off" in cut["content"][0]["text"]


@pytest.mark.parametrize("signature", ["", None])
async def test_thinking_that_was_cut(signature: str | None) -> None:
    script = [
        Reply(thinking("I wonder wh", signature), stop_reason=CUT),
        Reply(text("Done.")),
    ]
    turn = await first_turn(script)
    assert (turn.thinking, turn.text, turn.stop_reason) == ("I wonder wh", "Done.", "end_turn")


async def test_a_call_is_run_although_the_thinking_after_it_was_cut() -> None:
    blocks = call("run", {"cell": "a"}), thinking("And then", signature="")
    async with playing([Reply(*blocks, stop_reason=CUT), Reply(text("Done."))]) as (agent, _):
        first = await agent.begin("Go.", TOOLS)
        assert [c.arguments for c in first.calls] == [{"cell": "a"}]
        assert (await agent.turn([(first.calls[0], DONE)])).text == "Done."


@pytest.mark.parametrize("blocks", [(text("more"),), (thinking("mo", ""),), (call("run", "{"),)])
async def test_continuations_are_bounded(blocks: tuple[dict[str, Any], ...]) -> None:
    endless = [Reply(*blocks, stop_reason=CUT)] * (1 + MAX_CONTINUATIONS)
    async with playing([*endless, Reply(text("Sorry."))]) as (agent, server):
        turn = await agent.begin("Go.", TOOLS)
        assert len(server.requests) == 1 + MAX_CONTINUATIONS
        after = await agent.turn((), note="Submit.")
    assert (turn.calls, turn.stop_reason) == ((), CUT)
    assert turn.usage.output == 5 * (1 + MAX_CONTINUATIONS)
    assert after.text == "Sorry."


async def test_a_paused_turn_is_sent_back_as_it_is_and_goes_on() -> None:
    search = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
    paused = Reply(text("Let me see."), search, stop_reason="pause_turn")
    script = [paused, Reply(thinking("Aha."), call("run", {})), Reply(text("Done."))]
    async with playing(script) as (agent, server):
        turn = await agent.begin("Go.", TOOLS)
        last = await agent.turn([(turn.calls[0], DONE)])
    assert server.requests[1].body["messages"][-1]["role"] == "assistant"
    assert server.requests[1].last == [text("Let me see."), search]
    assert (turn.text, turn.thinking, turn.stop_reason) == ("Let me see.", "Aha.", "tool_use")
    assert last.text == "Done."


async def test_a_refusal_ends_without_calls_and_says_why() -> None:
    why = {"category": "cyber", "explanation": "No."}
    refusal = Reply(text("I"), call("run", {}), stop_reason="refusal", stop_details=why)
    async with playing([refusal, Reply(text("Fine."))]) as (agent, server):
        turn = await agent.begin("Go.", TOOLS)
        after = await agent.turn((), note="Submit.")
    assert (turn.text, turn.calls, turn.stop_reason) == ("I\n[cyber] No.", (), "refusal")
    # What was refused isn't built on.
    assert server.requests[1].last == [text("Go."), text("Submit.")]
    assert after.text == "Fine."


async def test_a_full_context_window_ends_without_calls() -> None:
    reason = "model_context_window_exceeded"
    turn = await first_turn([Reply(text("And"), call("run", '{"c'), stop_reason=reason)])
    assert (turn.text, turn.calls, turn.stop_reason) == ("And", (), reason)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(400, "prompt is too long: 1000001 tokens > 1000000 maximum"),
        Fault(413, "Request exceeds the maximum size"),
    ],
)
async def test_a_conversation_that_no_longer_fits_is_a_full_context_window(fault: Fault) -> None:
    async with playing([Reply(call("run", {})), fault]) as (agent, _):
        first = await agent.begin("Go.", TOOLS)
        turn = await agent.turn([(first.calls[0], DONE)])
    assert (turn.calls, turn.stop_reason) == ((), "model_context_window_exceeded")
