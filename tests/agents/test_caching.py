"""How much of an episode's input comes from the prompt cache, by the documented rules."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from grader.agents.base import Turn, Usage
from grader.agents.claude import ClaudeAgent
from grader.agents.pricing import PRICES
from kernel_tool.limits import Limits
from kernel_tool.results import Fault, Image, Text, ToolResult
from kernel_tool.tools import SubmitTool, definitions
from task_spec.prompt import render_prompt
from tests.agents.stand_in import StandIn
from tests.agents.stand_in_cache import LIFETIME, PromptCache
from tests.agents.stand_in_replies import Broken, Reply, call, text, thinking
from tests.grader.playing import TASK

MODEL = "claude-opus-5-5"
PRICE = PRICES[MODEL]
PROMPT = render_prompt(TASK)
TOOLS = definitions(Limits(), SubmitTool("Hands in. " * 20, {"type": "object"}, lambda _: []))
TURNS = 30
PLOT = Image(b"\x89PNG\r\n\x1a\n" + bytes(30_000))

Results = Callable[[int], ToolResult]


def words(characters: int, seed: int = 0) -> str:
    rng = random.Random(seed)
    return " ".join(str(rng.randrange(10**6)) for _ in range(characters // 7))


def realistic(turn: int) -> ToolResult:
    """The notebook first, then outputs, now and then with plots, or an error."""
    if turn == 0:
        return ToolResult((Text(words(20_000)),))
    parts: list[Text | Image] = [Text(words(2_000 + turn * 737 % 3_000, turn))]
    if turn % 4 == 0:
        parts += [PLOT, PLOT]
    return ToolResult(tuple(parts), Fault.MODEL if turn % 9 == 0 else None)


def short(_: int) -> ToolResult:
    return ToolResult((Text("ok"),))


def reply(turn: int) -> Reply:
    """Thinking, a sentence, and a call with some code."""
    said = thinking(words(600, turn)), text(words(150, turn))
    return Reply(*said, call("run_code", {"code": words(800, turn)}))


async def play(server: StandIn, results: Results, turns: int) -> list[Usage]:
    """The usage of each turn of an episode."""
    key = {"base_url": server.url, "api_key": server.key}
    async with AsyncAnthropic(**key, max_retries=2, timeout=10) as client:
        agent = ClaudeAgent(MODEL, client=client)
        turn: Turn = await agent.begin(PROMPT, TOOLS)
        used = [turn.usage]
        for number in range(turns - 1):
            turn = await agent.turn([(call, results(number)) for call in turn.calls])
            used.append(turn.usage)
    return used


def serving(script: Sequence[Reply | Broken], **options: PromptCache) -> StandIn:
    return StandIn(script, models=(MODEL,), measures=True, **options)


def share(used: Sequence[Usage]) -> float:
    """Of the input tokens, those that were read from the cache."""
    total = sum(used, Usage())
    return total.cache_read / (total.total - total.output)


async def test_an_episode_reads_nearly_all_of_its_input_from_the_cache() -> None:
    with serving([reply(turn) for turn in range(TURNS)]) as server:
        used = await play(server, realistic, TURNS)
    total = sum(used, Usage())
    cost = PRICE.of(total) - PRICE.of(Usage(output=total.output))
    without = PRICE.of(Usage(input=total.total - total.output))
    told = (
        f"{share(used):.1%} of the input tokens of {total} were read from the cache; "
        f"the input cost ${cost:.2f}, and would have cost ${without:.2f} without"
    )
    assert share(used) >= 0.92, told
    assert_nothing_is_written_twice(server, used, told)


def assert_nothing_is_written_twice(
    server: StandIn, used: Sequence[Usage], told: object = None
) -> None:
    """All of a request is read or written, and the next one reads all of that."""
    assert max(server.cache.written.values()) == 1, told
    assert all(usage.input == 0 for usage in used), told
    for before, after in pairwise(used):
        assert after.cache_read == before.cache_read + before.cache_write, told


def busy(turn: int, *, interleaved: bool) -> Reply:
    """A turn of 25 calls, side by side or with a remark before each."""
    calls = [call("run_code", {"code": words(100, n)}) for n in range(25)]
    if not interleaved:
        return Reply(thinking(words(300, turn)), *calls)
    return Reply(*(block for each in calls for block in (text("And now this."), each)))


@pytest.mark.parametrize("interleaved", [False, True])
async def test_a_turn_of_many_calls_does_not_lose_the_cache(interleaved: bool) -> None:
    wide = [busy(turn, interleaved=interleaved) for turn in range(2)]
    script = [reply(0), reply(1), *wide, reply(2), reply(3), reply(4)]
    with serving(script) as server:
        used = await play(server, realistic, len(script))
    assert_nothing_is_written_twice(server, used)


async def test_pictures_of_failed_calls_do_not_lose_the_cache() -> None:
    """An error can't hold its pictures, so each is a block of its own beside it."""
    many = ToolResult((Text("It broke."), *[PLOT] * 25), Fault.MODEL)
    with serving([reply(turn) for turn in range(4)]) as server:
        used = await play(server, lambda _: many, 4)
    assert_nothing_is_written_twice(server, used)


async def test_blocks_are_marked_only_where_it_is_needed() -> None:
    script = [reply(0), busy(1, interleaved=True), reply(2), reply(3)]
    with serving(script) as server:
        await play(server, short, len(script))
    marks = ["cache_control" in str(request.body["messages"]) for request in server.requests]
    assert marks == [False, False, True, False]


async def test_a_server_without_caching_gets_no_marks() -> None:
    script = [reply(0), busy(1, interleaved=True), reply(2)]
    with StandIn(script, models=(MODEL,), caching=False) as server:
        await play(server, short, len(script))
    assert not any("cache_control" in str(request.body) for request in server.requests[1:])


async def test_a_reply_that_is_asked_for_again_is_not_written_again() -> None:
    script = [reply(0), Broken(reply(1)), reply(1), Broken(reply(2), at="end"), reply(2)]
    with serving(script) as server:
        used = await play(server, realistic, 3)
    assert max(server.cache.written.values()) == 1
    # Both requests of a turn count.
    assert used[1].cache_read == 2 * used[0].cache_write + used[1].cache_write


async def test_episodes_share_the_tools_and_the_prompt() -> None:
    with serving([reply(turn) for turn in range(4)]) as server:
        first, second = await play(server, short, 2), await play(server, short, 2)
    assert first[0].cache_read == 0
    assert second[0].cache_write == 0
    assert second[0].cache_read == first[0].cache_write


# What the documentation says of the cache holds for the stand-in's, on prompts of blocks of text.


def asked(blocks: int, *marks: int, model: str = MODEL, size: int = 4_000) -> dict[str, Any]:
    content = [text(words(size, number)) for number in range(blocks)]
    for mark in marks:
        content[mark - 1]["cache_control"] = {"type": "ephemeral"}
    return {"model": model, "messages": [{"role": "user", "content": content}]}


def in_blocks(usage: dict[str, int]) -> tuple[int, ...]:
    """Uncached, written and read blocks, of which each has about a thousand tokens."""
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return tuple(round(usage[name] / 1_000) for name in names)


def test_the_example_of_a_growing_conversation() -> None:
    cache = PromptCache()
    assert in_blocks(cache.usage(asked(10, 10))) == (0, 10, 0)
    assert in_blocks(cache.usage(asked(15, 15))) == (0, 5, 10)
    # The last entry is one position outside of the window; a second mark finds it.
    other = deepcopy(cache)
    assert in_blocks(cache.usage(asked(35, 35))) == (0, 35, 0)
    assert in_blocks(other.usage(asked(35, 15, 35))) == (0, 20, 15)


def test_an_entry_at_the_edge_of_the_window_is_found() -> None:
    cache = PromptCache()
    cache.usage(asked(15, 15))
    assert in_blocks(cache.usage(asked(34, 34))) == (0, 19, 15)


def test_what_comes_after_the_last_mark_is_not_kept() -> None:
    cache = PromptCache()
    assert in_blocks(cache.usage(asked(8, 5))) == (3, 5, 0)
    assert in_blocks(cache.usage(asked(9, 5))) == (4, 0, 5)
    assert in_blocks(cache.usage(asked(9))) == (9, 0, 0)


def test_an_entry_lives_five_minutes_from_its_last_use() -> None:
    now = [0.0]
    cache = PromptCache(lambda: now[0])
    cache.usage(asked(5, 5))
    for _ in range(3):
        now[0] += LIFETIME - 1
        assert in_blocks(cache.usage(asked(5, 5))) == (0, 0, 5)
    now[0] += LIFETIME
    assert in_blocks(cache.usage(asked(5, 5))) == (0, 5, 0)


@pytest.mark.parametrize(("model", "least"), [(MODEL, 512), ("claude-haiku-4-5", 4_096)])
def test_a_short_prompt_is_not_kept(model: str, least: int) -> None:
    for size, kept in ((4 * (least - 50), False), (4 * (least + 100), True)):
        usage = PromptCache().usage(asked(1, 1, model=model, size=size))
        assert (usage["cache_creation_input_tokens"] > 0) is kept
        assert (usage["input_tokens"] > 0) is not kept


@pytest.mark.parametrize("change", ["model", "tools", "thinking", "first block"])
def test_what_comes_before_is_part_of_an_entry(change: str) -> None:
    cache, body = PromptCache(), {**asked(5, 5), "tools": [{"name": "a"}]}
    cache.usage(deepcopy(body))
    match change:
        case "model":
            body["model"] = "claude-opus-5"
        case "tools":
            body["tools"] = [{"name": "b"}]
        case "thinking":
            body["thinking"] = {"type": "adaptive"}
        case "first block":
            body["messages"][0]["content"][0]["text"] += "."
    assert in_blocks(cache.usage(body)) == (0, 5, 0)
