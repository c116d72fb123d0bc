"""What the API can do to an episode: ridden out, or one line that says what to do."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from anthropic import AsyncAnthropic

from grader.agents.base import AgentError
from grader.agents.claude import ClaudeAgent
from kernel_tool.results import Text, ToolResult
from tests.agents.playing import TOOLS, playing
from tests.agents.stand_in import MODEL, Script, StandIn
from tests.agents.stand_in_replies import Broken, Fault, Reply, Step, call, text, thinking

SOON = {"retry-after-ms": "10"}
HELLO = Reply(text("Hello."))


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def failure(*script: Step, retries: int = 0, key: str = "", model: str = MODEL) -> str:
    async with playing(script, retries=retries, key=key, model=model) as (agent, _):
        with pytest.raises(AgentError) as error:
            await agent.begin("Go.", TOOLS)
    return str(error.value)


async def test_a_rate_limit_is_ridden_out_for_as_long_as_it_says() -> None:
    async with playing([Fault(429, headers={"retry-after": "0.3"}), HELLO]) as (agent, _):
        started = time.monotonic()
        assert (await agent.begin("Go.", TOOLS)).text == "Hello."
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("status", [408, 500, 502, 503, 529])
async def test_a_passing_failure_is_ridden_out(status: int) -> None:
    faults = [Fault(status, headers=SOON)] * 2
    async with playing([*faults, HELLO]) as (agent, server):
        assert (await agent.begin("Go.", TOOLS)).text == "Hello."
    assert len(server.requests) == 3


@pytest.mark.parametrize("how", ["dropped", "unfinished", "overloaded_error", "api_error"])
async def test_a_reply_that_breaks_off_is_asked_for_again(how: str) -> None:
    # Its words don't count, nor does its call: the conversation is as if it had never been.
    broken = Broken(Reply(text("Hel"), call("run", {})), how)
    async with playing([broken, HELLO]) as (agent, server):
        turn = await agent.begin("Go.", TOOLS)
    assert (turn.text, turn.calls) == ("Hello.", ())
    assert server.requests[0].body == server.requests[1].body


@pytest.mark.parametrize("how", ["dropped", "unfinished", "overloaded_error"])
async def test_replies_that_go_on_breaking_off(how: str) -> None:
    message = await failure(Broken(HELLO, how))
    assert "the Messages API at http://127.0.0.1:" in message
    assert message.count("\n") == 0


async def test_an_error_in_the_stream_that_will_not_pass_is_not_tried_again() -> None:
    async with playing([Broken(HELLO, "invalid_request_error"), HELLO]) as (agent, server):
        with pytest.raises(AgentError, match="it broke off"):
            await agent.begin("Go.", TOOLS)
    assert len(server.requests) == 1


async def test_a_tool_call_that_is_no_json_is_a_broken_reply() -> None:
    message = await failure(Reply(call("run", "}{\n" * 1000)))
    assert "can't read it" in message
    assert len(message.splitlines()) == 1
    assert len(message) < 500


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (Fault(400, "tools.0: bad"), "refused the request (HTTP 400: tools.0: bad)"),
        (Fault(400, "prompt is too long"), "refused the request (HTTP 400: prompt is too long)"),
        (Fault(402, "no credit"), "top it up (HTTP 402: no credit)"),
        (Fault(403, "not yours"), f"the API key may not use {MODEL}"),
        (Fault(429, "slow down"), "run fewer trials at once"),
        (Fault(500, "oh\n  no"), "failed: try again later (HTTP 500: oh no)"),
        (Fault(529, "busy"), "failed: try again later (HTTP 529: busy)"),
    ],
)
async def test_a_lasting_failure_says_what_to_do(fault: Fault, advice: str) -> None:
    message = await failure(fault)
    assert advice in message
    assert "\n" not in message


async def test_an_endless_error_page_is_cut() -> None:
    assert len(await failure(Fault(502, "<html>" * 1000))) < 500


async def test_a_lasting_failure_ends_an_episode_in_its_midst() -> None:
    script: Script = [Reply(call("run", {})), *[Fault(500, headers=SOON)] * 3]
    async with playing(script) as (agent, _):
        first = await agent.begin("Go.", TOOLS)
        with pytest.raises(AgentError, match="try again later"):
            await agent.turn([(first.calls[0], ToolResult((Text("x"),)))])


async def test_a_refused_key_is_named_but_not_shown() -> None:
    # The stand-in's answer repeats the key.
    message = await failure(key="sk-of-somebody")
    assert "the API key was refused: set ANTHROPIC_API_KEY" in message
    assert "sk-of-somebody" not in message


@pytest.fixture
def without_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("without_key")
async def test_no_key_at_all() -> None:
    agent = ClaudeAgent(MODEL)
    for ask in (agent.preflight(), agent.begin("Go.", TOOLS)):
        with pytest.raises(AgentError, match=r"^no API key: set ANTHROPIC_API_KEY$"):
            await ask
    await agent.close()


@pytest.mark.usefixtures("without_key")
def test_no_key_and_a_profile_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_PROFILE", "nobody")
    with pytest.raises(AgentError, match="set ANTHROPIC_API_KEY"):
        ClaudeAgent(MODEL)


async def test_an_unknown_model() -> None:
    message = await failure(model="claude-nobody")
    assert message.startswith("unknown model claude-nobody: the Messages API at http://127.0.0.1:")


async def test_nobody_listens() -> None:
    url = f"http://user:secret@127.0.0.1:{unused_port()}/?token=secret"
    async with AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
        agent = ClaudeAgent(MODEL, client=client)
        started = time.monotonic()
        for ask in (agent.preflight(), agent.begin("Go.", TOOLS)):
            with pytest.raises(AgentError, match=r"no connection .* check the network") as error:
                await ask
            assert "secret" not in str(error.value)
    assert time.monotonic() - started < 2


async def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "localhost:8000")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    agent = ClaudeAgent(MODEL, max_retries=0)
    with pytest.raises(AgentError, match="ANTHROPIC_BASE_URL"):
        await agent.begin("Go.", TOOLS)
    await agent.close()


async def test_a_server_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        async with AsyncAnthropic(base_url=url, api_key="k", max_retries=0, timeout=0.2) as client:
            with pytest.raises(AgentError, match="no answer in time"):
                await ClaudeAgent(MODEL, client=client).begin("Go.", TOOLS)


async def test_a_model_that_has_no_adaptive_thinking_goes_without() -> None:
    script = [Reply(call("run", {})), Reply(text("Done."))]
    async with playing(script, thinking=False) as (agent, server):
        first = await agent.begin("Go.", TOOLS)
        last = await agent.turn([(first.calls[0], ToolResult((Text("x"),)))])
    assert last.text == "Done."
    assert ["thinking" in request.body for request in server.requests] == [True, False, False]
    assert all("cache_control" in request.body for request in server.requests)


async def test_a_server_that_knows_neither_thinking_nor_caching() -> None:
    async with playing([HELLO], thinking=False, caching=False) as (agent, server):
        assert (await agent.begin("Go.", TOOLS)).text == "Hello."
    assert not {"thinking", "cache_control"} & server.requests[-1].body.keys()


async def test_a_refusal_of_thinking_itself_is_not_papered_over() -> None:
    script: Script = [
        Reply(thinking("Hm."), call("run", {})),
        Fault(400, "`thinking` was modified"),
    ]
    async with playing(script) as (agent, server):
        first = await agent.begin("Go.", TOOLS)
        with pytest.raises(AgentError, match="was modified"):
            await agent.turn([(first.calls[0], ToolResult((Text("x"),)))])
    assert len(server.requests) == 2


@pytest.mark.parametrize("lifecycle", ["active", "deprecated", None])
async def test_preflight_looks_the_model_up_and_spends_nothing(lifecycle: str | None) -> None:
    async with playing([], lifecycle=lifecycle) as (agent, server):
        await agent.preflight()
    assert server.requests == []


async def test_preflight_says_hello_where_models_cannot_be_looked_up() -> None:
    async with playing([], lists_models=False) as (agent, server):
        await agent.preflight()
    assert [request.body["max_tokens"] for request in server.requests] == [1]


@pytest.mark.parametrize("lists_models", [True, False])
async def test_preflight_finds_an_unknown_model(lists_models: bool) -> None:
    async with playing([], model="claude-nobody", lists_models=lists_models) as (agent, _):
        with pytest.raises(AgentError, match="unknown model claude-nobody"):
            await agent.preflight()


async def test_preflight_finds_a_retired_model() -> None:
    async with playing([], lifecycle="retired") as (agent, _):
        with pytest.raises(AgentError, match="is retired: choose another model"):
            await agent.preflight()


async def test_preflight_finds_a_refused_key() -> None:
    async with playing([], key="sk-wrong") as (agent, _):
        with pytest.raises(AgentError, match="the API key was refused"):
            await agent.preflight()


async def test_a_client_of_somebody_else_stays_open() -> None:
    with StandIn([HELLO, HELLO]) as server:
        async with AsyncAnthropic(base_url=server.url, api_key=server.key) as client:
            for _ in range(2):
                agent = ClaudeAgent(MODEL, client=client)
                assert (await agent.begin("Go.", TOOLS)).text == "Hello."
                await agent.close()
