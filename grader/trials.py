"""Running trials: a few at a time, each attempt played, judged and recorded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from grader.agents.base import Agent, AgentError
from grader.decide import first_settled
from grader.judging import judge_trial
from grader.playing import play
from grader.records import SETTLED, Trial, trial_of
from grader.run_folder import RunFolder, events_in, read_run
from grader.transcript import Event
from grader.verdict import Verdict
from kernel_tool.launch import Launcher
from task_spec.variant import Variant

MakeAgent = Callable[[int], Agent]


class Watcher(Protocol):
    """Is told what trials are doing."""

    def event(self, trial: int, event: Event) -> None:
        """A step of the episode that is being played."""

    def grading(self, trial: int) -> None:
        """The episode is over, its submission is being graded."""

    def ended(self, trial: Trial) -> None:
        """An attempt has come to its end and is recorded."""


@dataclass(frozen=True)
class Plan:
    """What a run does.

    make_agent: gets the seed of its trial. trials: how many at most; with ``until_decided`` it
        ends as soon as it is settled whether the pass rate lies in the band.
    retries: how often a trial is tried again that a fault of the machinery has ended, first after
        ``pause`` seconds, then after twice as long each time.
    trial_seconds: wall time of one attempt, grading included.
    """

    variant: Variant
    make_agent: MakeAgent
    trials: int
    concurrency: int
    seed: int
    launcher: Launcher = field(default_factory=Launcher)
    retries: int = 0
    pause: float = 2.0
    trial_seconds: float | None = None
    until_decided: bool = False


def trial_seed(seed: int, trial: int) -> int:
    """The seed of one trial, from which its agent and its unpublished worlds are drawn."""
    return int(np.random.SeedSequence([seed, trial]).generate_state(1, np.uint64)[0] >> 1)


async def run_trials(plan: Plan, folder: RunFolder, watcher: Watcher) -> str | None:
    """All trials of a run that ``folder`` does not have yet, each recorded as it ends.

    Returns why it stopped before all were done, or None.
    """
    return await _Trials(plan, folder, watcher).run()


async def run_trial(plan: Plan, folder: RunFolder, watcher: Watcher, number: int) -> Trial:
    """One trial of a run, tried again where the plan allows it, and recorded."""
    return await _Trials(plan, folder, watcher).trial(number)


class _Trials:
    def __init__(self, plan: Plan, folder: RunFolder, watcher: Watcher) -> None:
        self.plan, self.folder, self.watcher = plan, folder, watcher
        self.done = {trial.trial: trial for trial in read_run(folder.path).graded}
        self.open = deque(n for n in range(plan.trials) if n not in self.done)
        self.stopped = self._decided()

    async def run(self) -> str | None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.plan.concurrency):
                group.create_task(self._work())
        return self.stopped

    async def _work(self) -> None:
        while self.open and self.stopped is None:
            number = self.open.popleft()
            self.done[number] = await self.trial(number)
            self.stopped = self.stopped or self._decided()

    async def trial(self, number: int) -> Trial:
        for retry in range(self.plan.retries + 1):
            if retry:
                await asyncio.sleep(self.plan.pause * 2 ** (retry - 1))
                if not self.folder.played(number):
                    self.folder.set_aside(number)
            trial, lasting = await self._attempt(number)
            self.folder.append(trial)
            self.watcher.ended(trial)
            if lasting:
                self.stopped = trial.detail
            if trial.outcome != "infrastructure" or self.stopped is not None:
                break
        return trial

    async def _attempt(self, number: int) -> tuple[Trial, bool]:
        """One attempt, and whether another would be in vain."""
        folder, verdict, detail, lasting = self.folder.trial(number), None, "", False
        try:
            async with asyncio.timeout(self.plan.trial_seconds) as clock:
                verdict = await self._judged(number, folder)
        except AgentError as error:
            detail, lasting = f"agent: {error}", error.lasting
        except Exception as error:  # whatever it is, the other trials go on
            detail = f"{type(error).__name__}: {error}"
            if clock.expired():
                minutes = (self.plan.trial_seconds or 0) / 60
                detail = f"the trial took more than {minutes:g} minutes of wall time"
        events, attempt = events_in(folder), self.folder.attempt(number)
        confined = self.plan.launcher.confined
        return trial_of(number, attempt, events, verdict, detail, confined), lasting

    async def _judged(self, number: int, folder: Path) -> Verdict:
        """Plays a trial, unless that is done already, and judges it."""
        plan, seed = self.plan, trial_seed(self.plan.seed, number)
        if not self.folder.played(number):
            await play(
                plan.variant,
                plan.make_agent,
                seed,
                plan.launcher,
                folder,
                lambda event: self.watcher.event(number, event),
            )
        self.watcher.grading(number)
        return await judge_trial(plan.variant, seed, plan.launcher, folder, events_in(folder))

    def _decided(self) -> str | None:
        if not self.plan.until_decided:
            return None
        answer = first_settled({n: trial.outcome for n, trial in self.done.items()})
        return answer and f"{SETTLED}: the pass rate lies {answer} the band"
