"""The money of a run: never is more spent than its limit, and not much less where it matters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from anthropic import AsyncAnthropic
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.agents.base import AgentError, Usage
from grader.agents.claude import ClaudeAgent
from grader.agents.pricing import PRICES
from grader.agents.spending import OutOfMoneyError, Purse
from kernel_tool.results import Image, Text, ToolResult
from tests.agents import stand_in_cache
from tests.agents.playing import TOOLS
from tests.agents.stand_in import Script, StandIn, episode
from tests.agents.stand_in_replies import Broken, Fault, Reply, call, text, thinking
from tests.grader.faulty import new_run, played

MODEL = "claude-haiku-4-5"
PRICE = PRICES[MODEL]
MOST = 300  # tokens of a reply


@dataclass(frozen=True)
class Wish:
    """A request in whole dollars, so that sums are exact: it begins after ``delay`` steps of the
    event loop and lasts ``steps``; ``cost`` is None where it never came to a bill."""

    most: int
    cost: int | None
    delay: int
    steps: int


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    most = draw(st.integers(1, 6))
    cost = draw(st.none() | st.integers(0, most))
    return Wish(most, cost, draw(st.integers(0, 4)), draw(st.integers(0, 4)))


async def steps(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@dataclass
class Ledger:
    """Keeps a purse's account beside it."""

    purse: Purse
    kept: int = 0
    spent: int = 0

    async def make(self, wish: Wish) -> bool:
        """Whether a request was allowed."""
        await steps(wish.delay)
        try:
            async with self.purse.charge(wish.most) as charge:
                self.kept += wish.most
                assert self.spent + self.kept <= self.purse.limit
                await steps(wish.steps)
                charge.cost = wish.cost
                self.kept -= wish.most
                self.spent += wish.most if wish.cost is None else wish.cost
        except OutOfMoneyError:
            # It isn't refused as long as another may leave enough.
            assert self.kept == 0
            assert self.spent + wish.most > self.purse.limit
            return False
        return True


@settings(max_examples=200, deadline=None)
@given(limit=st.integers(0, 12), spent=st.integers(0, 3), wanted=st.lists(wishes(), max_size=7))
def test_no_order_of_requests_spends_more_than_the_limit(
    limit: int, spent: int, wanted: Sequence[Wish]
) -> None:
    async def run() -> None:
        ledger = Ledger(Purse(limit, spent), spent=spent)
        async with asyncio.timeout(5):
            allowed = await asyncio.gather(*map(ledger.make, wanted))
        assert ledger.purse.spent == ledger.spent
        assert ledger.kept == 0
        assert any(allowed) or all(spent + wish.most > limit for wish in wanted)

    asyncio.run(run())


async def test_a_request_waits_where_another_may_leave_enough() -> None:
    purse, order = Purse(10), []

    async def first() -> None:
        async with purse.charge(8) as charge:
            await steps(5)
            charge.cost = 1
            order.append("first")

    async def second() -> None:
        async with purse.charge(9) as charge:
            charge.cost = 9
            order.append("second")

    await asyncio.gather(first(), second())
    assert order == ["first", "second"]
    assert purse.spent == 10


@pytest.mark.parametrize("ended_by", [ConnectionError, asyncio.CancelledError])
async def test_a_request_that_ends_badly_wakes_who_waits(ended_by: type[BaseException]) -> None:
    purse = Purse(10)

    async def first() -> None:
        async with purse.charge(10) as charge:
            await steps(3)
            charge.cost = 4
            raise ended_by

    async def second() -> None:
        async with purse.charge(6):
            pass

    async with asyncio.timeout(5):
        await asyncio.gather(first(), second(), return_exceptions=True)
    assert purse.spent == 10


async def test_one_who_waits_can_be_cancelled() -> None:
    purse = Purse(10)
    async with purse.charge(10) as charge:
        waiting = asyncio.create_task(purse.charge(1).__aenter__())
        await steps(3)
        waiting.cancel()
        charge.cost = 0
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5), purse.charge(10):
        pass


def billed(server: StandIn) -> float:
    """USD by the server's own count."""
    return sum(PRICE.of(_usage(used)) for used in server.served)


def _usage(used: dict[str, int]) -> Usage:
    return Usage(
        used["input_tokens"],
        used["output_tokens"],
        used["cache_read_input_tokens"],
        used["cache_creation_input_tokens"],
    )


async def talk(agent: ClaudeAgent, result: ToolResult) -> str:
    """Until the agent says no more, or has to stop; returns why."""
    try:
        turn = await agent.begin("Repair it. " * 50, TOOLS)
        while turn.calls:
            turn = await agent.turn([(call, result) for call in turn.calls])
    except AgentError as error:
        return str(error)
    return turn.stop_reason


RUN = Reply(thinking("Hm. " * 50), text("I look. " * 20), call("run", {"cell": "é" * 20}))
SOON = {"retry-after-ms": "1"}
SCRIPTS: dict[str, Script] = {
    "whole replies": [RUN] * 60,
    "replies that break off": [RUN, Broken(RUN), RUN, Broken(RUN, at="end")] * 15,
    "replies that end early": [RUN, Broken(RUN, "unfinished"), RUN, Broken(RUN, "api_error")] * 15,
    "busy": [RUN, Fault(529, headers=SOON), RUN] * 20,
    "cut at the limit": [Reply(text("words " * 190), stop_reason="max_tokens"), RUN] * 30,
}
RESULTS = {
    "short": ToolResult((Text("ok"),)),
    "long": ToolResult((Text("12.5 µs\n" * 1_000),)),
    "a picture": ToolResult((Text("plot"), Image(b"\x89PNG" * 500))),
}


@pytest.mark.parametrize("limit", [0.001, 0.004, 0.015])
@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("script", SCRIPTS)
async def test_what_the_server_bills_stays_within_the_limit(
    script: str, result: str, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    purse = Purse(limit)
    wanted: list[float] = []
    charge = purse.charge
    monkeypatch.setattr(purse, "charge", lambda most: (wanted.append(most), charge(most))[1])
    with StandIn(SCRIPTS[script], models=(MODEL,), measures=True) as server:
        key = {"base_url": server.url, "api_key": server.key}
        async with AsyncAnthropic(**key, max_retries=1, timeout=10) as client:
            agent = ClaudeAgent(MODEL, max_tokens=MOST, client=client, purse=purse)
            why = await talk(agent, RESULTS[result])
    assert "stopped before a request that could cost" in why
    assert billed(server) <= limit
    # The one that wasn't sent would have fitted only by luck; broken replies count as the most.
    assert purse.spent + wanted[-1] > limit
    if script in ("whole replies", "busy"):
        assert purse.spent == pytest.approx(billed(server))
    assert all(used["output_tokens"] <= MOST for used in server.served)


async def test_thinking_that_was_not_shown_before_a_reply_broke_off_is_paid_for() -> None:
    """The server has made 150 tokens of thinking each time, and sent two words of summary."""
    hidden = Reply(thinking("Hm, hm."), usage={"input_tokens": 100, "output_tokens": MOST})
    purse = Purse(1.0)
    with StandIn([Broken(hidden), Reply(text("Done."))], models=(MODEL,)) as server:
        key = {"base_url": server.url, "api_key": server.key}
        async with AsyncAnthropic(**key, max_retries=1, timeout=10) as client:
            await talk(ClaudeAgent(MODEL, client=client, purse=purse), RESULTS["short"])
    bill = sum(PRICE.of(Usage(u["input_tokens"], u["output_tokens"])) for u in server.served)
    assert purse.spent >= bill


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_run_whose_money_is_spent_says_so_and_keeps_what_is_done(
    concurrency: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is money for two trials of three replies, and not for the beginning of a third."""
    monkeypatch.setitem(stand_in_cache.MINIMUM, MODEL, 10**6)  # a cache would make later ones cheap
    limit, script = 0.04, episode(*[Reply(text("Done. " * 40))] * 3)
    with StandIn(script, models=(MODEL,), measures=True) as server:
        key = {"base_url": server.url, "api_key": server.key}
        async with AsyncAnthropic(**key, max_retries=1, timeout=10) as client:
            purse = Purse(limit)

            def make(_: int) -> ClaudeAgent:
                return ClaudeAgent(MODEL, max_tokens=MOST, client=client, purse=purse)

            folder, options = new_run(tmp_path / "run"), {"concurrency": concurrency, "trials": 5}
            stopped, attempts = await played(folder, make, **options)
    assert stopped is not None
    assert "of the $0.04 of --max-cost are spent" in stopped
    outcomes = [attempts[number][-1].outcome for number in sorted(attempts)]
    assert outcomes == ["failed", "failed", *["infrastructure"] * concurrency]
    assert len(server.served) == 2 * 3
    assert billed(server) <= limit
    assert sum(each[-1].cost or 0 for each in attempts.values()) == pytest.approx(billed(server))
