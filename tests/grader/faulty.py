"""A run of three trials for the fault matrix: one is done, one meets a fault, one is well."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anthropic import AsyncAnthropic
from rich.console import Console

from grader.agents.base import Agent
from grader.agents.claude import ClaudeAgent
from grader.display import Lines
from grader.records import RunConfig, Trial
from grader.run_folder import RunFolder, read_run
from grader.trials import Plan, run_trials, trial_seed
from kernel_tool.launch import Launcher
from kernel_tool.sandbox.quota import Quota
from task_spec.variant import Variant
from tests.agents.stand_in import Request, StandIn
from tests.agents.stand_in_replies import Broken, Reply, Step, call, text
from tests.grader.playing import DEFAULT, TASK

SEED = 11
VARIANT = Variant(TASK, DEFAULT.bugs[:1])  # little to stage
WELL, SICK = "claude-well", "claude-sick"
DONE, ILL, HALE = range(3)  # the trials
READ, RUN, BYE = (
    Reply(call("read_notebook", {"cells": ["missing"]})),
    Reply(call("run_code", {"code": "6 * 7"})),
    Reply(text("I have nothing more to do.")),
)
EPISODE = (READ, RUN, BYE, BYE, BYE)
LAUNCHER = Launcher(quota=Quota(memory=1 << 30))
CONFIG = RunConfig(
    task="transits",
    variant=VARIANT.name,
    bugs=tuple(bug.id for bug in VARIANT.bugs),
    variant_seed=VARIANT.seed,
    agent="claude",
    model=WELL,
    trials=3,
    seed=SEED,
    confined=LAUNCHER.confined,
    sandbox=LAUNCHER.tier.value,
    concurrency=2,
    retries=1,
    started="2026-11-24T12:00:00+00:00",
    version="0",
)


@dataclass
class Playing:
    """The script: everybody's episode is the same, but for ``fault``, which the sick model gives
    up to ``times`` times in place of its second reply.

    ``attempts``: of the sick trial, each a list of its requests and what they were answered with.
    """

    fault: Step | Callable[[], Step] | None = None
    times: int = 1
    steps: tuple[Step, ...] = EPISODE
    attempts: list[list[tuple[Request, Step]]] = field(default_factory=list)

    def __call__(self, request: Request) -> Step:
        if request.body["model"] == WELL:
            return self.steps[request.turn]
        if len(request.body["messages"]) == 1:
            self.attempts.append([])
        step = self._step(request.turn)
        self.attempts[-1].append((request, step))
        return step

    def _step(self, turn: int) -> Step:
        if turn != 1 or self.fault is None or self.times == 0:
            return self.steps[turn]
        self.times -= 1
        return self.fault() if callable(self.fault) else self.fault


def begun(attempt: list[tuple[Request, Step]]) -> int:
    """How many replies of an attempt began, so that their tokens are known."""
    whole = sum(isinstance(step, Reply) for _, step in attempt)
    return whole + sum(isinstance(step, Broken) and step.at != "start" for _, step in attempt)


def answered(attempt: list[tuple[Request, Step]], unusable: object) -> list[str]:
    """The conversations of an attempt that were answered by a whole reply that could be used."""
    replies = [each for each in attempt if isinstance(each[1], Reply) and each[1] is not unusable]
    return [str(request.body["messages"]) for request, _ in replies]


class Watcher(Lines):
    """Does things at the moments that a run tells of."""

    def __init__(self, **doing: Callable[[Any], None]) -> None:
        super().__init__(Console(quiet=True))
        self._doing = doing

    def grading(self, trial: int) -> None:
        self._doing.get("grading", _nothing)(trial)

    def ended(self, trial: Trial) -> None:
        self._doing.get("ended", _nothing)(trial)


def _nothing(_: object) -> None:
    pass


def new_run(path: Path) -> RunFolder:
    folder = RunFolder.create(path)
    folder.write("config.json", CONFIG)
    return folder


def copied_run(run: Path, to: Path) -> RunFolder:
    shutil.copytree(run, to)
    return RunFolder(to)


@asynccontextmanager
async def agents(server: StandIn, *, patience: float = 10):
    """Makes the agent of a trial; ``patience`` is the sick one's, in seconds. What fails is tried
    twice."""

    key = server.key
    async with AsyncAnthropic(
        base_url=server.url, api_key=key, max_retries=1, timeout=10
    ) as client:
        hasty = client.with_options(timeout=patience)

        def make(seed: int) -> Agent:
            sick = seed == trial_seed(SEED, ILL)
            return ClaudeAgent(SICK if sick else WELL, client=hasty if sick else client)

        yield make


async def played(
    folder: RunFolder,
    make_agent: Callable[[int], Agent],
    watcher: Watcher | None = None,
    **options: Any,
) -> tuple[str | None, dict[int, list[Trial]]]:
    """Why a run stopped, and its attempts by trial."""
    options = {"trials": 3, "concurrency": 2, "launcher": LAUNCHER, **options}
    plan = Plan(VARIANT, make_agent, **{"seed": SEED, "retries": 1, "pause": 0.01, **options})
    async with asyncio.timeout(40):
        stopped = await run_trials(plan, folder, watcher or Watcher())
    attempts: dict[int, list[Trial]] = {}
    for trial in read_run(folder.path).attempts:
        attempts.setdefault(trial.trial, []).append(trial)
    return stopped, attempts
