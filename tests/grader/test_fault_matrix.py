"""Every fault of the API and of a kernel: ridden out, or tried again, or the end of the run.

Never is a trial lost that was done, never does a fault reach another trial, never is an answer
paid for twice.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path

import pytest

from grader.agents.scripted import oracle
from grader.records import Trial
from grader.run_folder import read_run
from tests.agents.stand_in import KEY, Request, StandIn
from tests.agents.stand_in_replies import Broken, Fault, NoAnswer, Page, Reply, Step, call, text
from tests.grader.faulty import (
    DONE,
    HALE,
    ILL,
    LAUNCHER,
    RUN,
    SICK,
    VARIANT,
    WELL,
    Playing,
    Watcher,
    agents,
    answered,
    begun,
    copied_run,
    new_run,
    played,
)

SOON = {"retry-after-ms": "10"}
FOREVER = 1_000
WORDS = Reply(text("Let me see what it gives."), call("run_code", {"code": "6 * 7"}))
STUBBORN = """
while True:
    try:
        while True:
            pass
    except KeyboardInterrupt:
        pass
"""
LAST = 'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 0}\n\n'
GREEDY = "kept = []\nwhile True:\n    kept.append(b'x' * (64 << 20))"


@dataclass(frozen=True)
class Case:
    """A fault in place of the second reply, up to ``times`` times, and what comes of it.

    outcomes: of the attempts at the trial, in order. detail: a part of the last one's. turns: of
    the last one. patience: seconds until the client gives an answer up. told: a part of what the
    model is told next.
    """

    name: str
    fault: Step | Callable[[], Step]
    times: int = 1
    outcomes: tuple[str, ...] = ("failed",)
    detail: str = "ended its turn without submitting"
    turns: int | None = 5
    patience: float = 10.0
    told: str = ""


def lasting(name: str, fault: Step, detail: str, patience: float = 10.0) -> Case:
    """However often it is tried: both attempts end by it."""
    outcomes = ("infrastructure", "infrastructure")
    return Case(f"{name}, for ever", fault, FOREVER, outcomes, detail, 1, patience)


def from_now(seconds: float) -> dict[str, str]:
    return {"retry-after": formatdate(time.time() + seconds, usegmt=True)}


def run_code(code: str, seconds: float = 0.5) -> Reply:
    return Reply(call("run_code", {"code": code, "timeout_seconds": seconds}))


BREAKS = [
    *[(f"cut before its {at}", Broken(WORDS, "dropped", at)) for at in ("start", "end")],
    ("cut half way", Broken(WORDS)),
    ("without an end", Broken(WORDS, "unfinished", "end")),
    ("an event that is no JSON", Broken(WORDS, "garbled")),
    ("overloaded half way", Broken(WORDS, "overloaded_error")),
    ("arguments that are no JSON", Reply(call("run_code", "}{"))),
    ("arguments that are no object", Reply(call("run_code", "[1]"))),
    ("half a surrogate pair in arguments", Reply(call("run_code", {"code": "\ud800"}))),
    ("a page instead of a stream", Page()),
    ("the server hangs up", NoAnswer(hangs_up=True)),
    ("an event out of its order", Page(LAST, "text/event-stream")),
    ("half of some JSON", Page('{"id": "msg_1", "content": [', "application/json")),
]
STATUSES = [(status, Fault(status, headers=SOON)) for status in (429, 500, 529)]

RIDDEN_OUT = [
    *[Case(name, fault) for name, fault in BREAKS],
    *[Case(f"HTTP {status}", fault) for status, fault in STATUSES],
    Case("a rate limit for some seconds", Fault(429, headers={"retry-after": "0.3"})),
    Case("a rate limit until a date", lambda: Fault(429, headers=from_now(1.5))),
    Case("silence half way", Broken(WORDS, "silent"), patience=0.5),
    Case("no answer", NoAnswer(), patience=0.5),
]
LASTING = [
    lasting("cut half way", Broken(WORDS), "no connection to the Messages API"),
    lasting("without an end", Broken(WORDS, "unfinished"), "it has no end"),
    lasting("an event that is no JSON", Broken(WORDS, "garbled"), "can't read it"),
    lasting("arguments that are no object", BREAKS[7][1], "are no JSON object"),
    lasting("the server hangs up", NoAnswer(hangs_up=True), "no connection to the Messages API"),
    lasting("silence half way", Broken(WORDS, "silent"), "no answer in time", 0.4),
    lasting("no answer", NoAnswer(), "no answer in time", 0.4),
    *[lasting(f"HTTP {status}", fault, f"HTTP {status}") for status, fault in STATUSES[::2]],
    lasting("HTTP 400", Fault(400, "messages: bad"), "HTTP 400: messages: bad"),
]
# What is over for this attempt, and well in the next.
TRIED_AGAIN = [
    Case("HTTP 400, once", Fault(400), 1, ("infrastructure", "failed")),
    Case("HTTP 529, twice", Fault(529, headers=SOON), 2, ("infrastructure", "failed")),
    Case("cut half way, twice", Broken(WORDS), 2, ("infrastructure", "failed")),
]
# What the model does itself: its failure, or nothing at all.
ODD_REASON = Reply(*WORDS.blocks, stop_reason="a_reason_to_come")
OF_THE_MODEL = [
    Case("an unknown stop reason", ODD_REASON, told="42"),
    Case("an unknown block", Reply({"type": "hologram", "data": "x"}, *RUN.blocks), told="42"),
    Case("wrong arguments", Reply(call("run_code", {"kode": "1"})), told="`code` is missing"),
    Case("an unknown tool", Reply(call("rm", {})), told="There is no tool 'rm'"),
    Case("two calls", Reply(call("rm", {}), *RUN.blocks), told="42"),
    Case("an empty turn", Reply(), told="You ended your turn without a call"),
    Case("half a surrogate pair in text", Reply(text("so\ud800"), *RUN.blocks), told="42"),
    Case("half a surrogate pair in a name", Reply(call("run\udc00", {})), told="There is no tool"),
    Case("a refusal", Reply(text("No."), stop_reason="refusal"), detail="refusal", turns=2),
    Case("too long", Fault(400, "prompt is too long"), detail="context_window", turns=2),
]
OF_THE_KERNEL = [
    Case("a kernel that dies", run_code("import os; os._exit(1)"), told="the kernel died"),
    Case("a kernel that hangs", run_code("while True: pass"), told="Interrupted at the time limit"),
    Case("a kernel that can't be interrupted", run_code(STUBBORN), told="was killed"),
    Case("a flood of output", run_code("while True: print('x' * 1000)"), told="were not kept"),
    Case("too much memory", run_code(GREEDY, 20), told="memory"),
]
CASES = [*RIDDEN_OUT, *LASTING, *TRIED_AGAIN, *OF_THE_MODEL, *OF_THE_KERNEL]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first trial is done."""
    path = tmp_path_factory.mktemp("finished") / "run"

    async def play() -> None:
        with StandIn(Playing(), models=(WELL,)) as server:
            async with agents(server) as make:
                await played(new_run(path), make, trials=1)

    asyncio.run(play())
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def said_after(fault: object, attempt: list[tuple[Request, Step]]) -> str:
    """What the model was told after a step of its own."""
    steps = [step for _, step in attempt]
    if fault not in steps[:-1]:
        return ""
    return str(attempt[steps.index(fault) + 1][0].last)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_becomes_of_a_fault(case: Case, finished: Path, tmp_path: Path) -> None:
    script = Playing(case.fault, case.times)
    folder = copied_run(finished, tmp_path / "run")
    with StandIn(script, models=(WELL, SICK)) as server:
        async with agents(server, patience=case.patience) as make:
            stopped, attempts = await played(folder, make)
    assert stopped is None
    ill = attempts[ILL]
    assert tuple(trial.outcome for trial in ill) == case.outcomes, ill[-1].detail
    assert [trial.attempt for trial in ill] == [1, 2][: len(ill)]
    assert case.detail in ill[-1].detail
    assert ill[-1].turns == case.turns
    assert len(ill[-1].detail.splitlines()) == 1
    assert case.told in said_after(case.fault, script.attempts[-1])
    # The others are as if nothing had been.
    assert [trial.failure_reason for trial in attempts[HALE]] == ["no_submission"]
    assert attempts[DONE] == list(read_run(finished).attempts)
    assert contents(folder.trial(DONE)) == contents(finished / "trial-000")
    # No answer is paid for twice, and what was paid for is counted.
    for trial, attempt in zip(ill, script.attempts, strict=True):
        whole = answered(attempt, unusable=None if case in OF_THE_MODEL else case.fault)
        assert len(whole) == len(set(whole))
        assert trial.usage["input"] == 10 * begun(attempt)
        assert trial.usage["output"] >= 5 * len(whole)


async def test_a_server_that_never_answers_is_bounded_by_wall_time(
    finished: Path, tmp_path: Path
) -> None:
    folder = copied_run(finished, tmp_path / "run")
    with StandIn(Playing(NoAnswer()), models=(WELL, SICK)) as server:
        async with agents(server) as make:
            _, attempts = await played(folder, make, retries=0, trial_seconds=3)
    assert [trial.outcome for trial in attempts[ILL]] == ["infrastructure"]
    assert attempts[ILL][0].detail == "the trial took more than 0.05 minutes of wall time"
    assert [trial.outcome for trial in attempts[HALE]] == ["failed"]


async def test_a_key_that_is_refused_in_the_midst_stops_the_run(tmp_path: Path) -> None:
    """Trial 1 loses its key after one reply: trial 0 is kept, and those after it aren't begun."""

    def refuse() -> Step:
        server.key = "another"
        return RUN

    server = StandIn(Playing(refuse), models=(WELL, SICK))
    with server:
        async with agents(server) as make:
            stopped, attempts = await played(new_run(tmp_path / "run"), make, concurrency=1)
    assert stopped is not None
    assert "the API key was refused: set ANTHROPIC_API_KEY" in stopped
    assert KEY not in stopped
    outcomes = {number: [trial.outcome for trial in each] for number, each in attempts.items()}
    assert outcomes == {DONE: ["failed"], ILL: ["infrastructure"]}


def interpreter(folder: Path) -> Path:
    """A Python of its own, in an environment that has our packages."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").symlink_to(Path(sys.prefix) / "lib")
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder)
    python = folder / "bin" / "python"
    python.symlink_to(Path(sys.executable).resolve())
    return python


async def test_grading_that_crashes_is_done_again_without_playing_again(tmp_path: Path) -> None:
    steps = (
        Reply(call("edit_cell", {"cell_id": "setup", "source": "1 / 0"})),
        Reply(call("submit", {"bug_report": oracle(VARIANT, 0).report})),
    )
    python = interpreter(tmp_path / "environment")
    gone = python.with_name("gone")
    verdicts: list[tuple[str, str]] = []

    def vanish(_: object) -> None:
        if not verdicts:
            python.rename(gone)

    def come_back(trial: Trial) -> None:
        verdicts.append((trial.outcome, trial.detail))
        if gone.exists():
            gone.rename(python)

    watcher = Watcher(grading=vanish, ended=come_back)
    launcher = replace(LAUNCHER, python=str(python), forked=False)
    with StandIn(Playing(steps=steps), models=(WELL,)) as server:
        async with agents(server) as make:
            folder = new_run(tmp_path / "run")
            options = {"trials": 1, "launcher": launcher}
            stopped, attempts = await played(folder, make, watcher, **options)
    assert stopped is None
    assert [outcome for outcome, _ in verdicts] == ["infrastructure", "failed"]
    assert str(python) in verdicts[0][1]
    assert "ZeroDivisionError" in verdicts[1][1]
    assert len(server.requests) == len(steps)
    # Both lines are of one attempt, whose last word counts.
    assert [trial.attempt for trial in attempts[DONE]] == [1]
    assert len((folder.path / "trials.jsonl").read_text().splitlines()) == 2
