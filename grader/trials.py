"""Running trials: stage, let the agent play, grade, record."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import nbformat
import numpy as np

from grader.agents.base import Agent, AgentError, Usage
from grader.agents.pricing import cost
from grader.episode import EpisodeEnd, run_episode
from grader.grading import confinement, failed, grade_text
from grader.records import Outcome, RunFolder, Trial, answer_key, write_json
from grader.report import problems
from grader.submission import ReportError, parse_report
from grader.transcript import Start, Transcript
from grader.verdict import CheckResult, FailureReason, Verdict
from kernel_tool.launch import Launcher
from kernel_tool.session import Limits, Session, SubmitTool
from task_spec.model import Budgets
from task_spec.prompt import BUDGET, SUBMITTED, render_prompt
from task_spec.staging import stage_workspace
from task_spec.submit_tool import SUBMIT_DESCRIPTION, report_schema
from task_spec.variant import Variant

MakeAgent = Callable[[int], Agent]


class Watcher(Protocol):
    """Is told what trials are doing."""

    def doing(self, trial: int, what: str) -> None: ...

    def finished(self, trial: Trial) -> None: ...


@dataclass(frozen=True)
class Plan:
    """What a run does: ``make_agent`` gets the seed of its trial."""

    variant: Variant
    make_agent: MakeAgent
    trials: int
    concurrency: int
    seed: int
    launcher: Launcher = field(default_factory=Launcher)


def trial_seed(seed: int, trial: int) -> int:
    """The seed of one trial, from which its agent and its unpublished worlds are drawn."""
    return int(np.random.SeedSequence([seed, trial]).generate_state(1, np.uint64)[0] >> 1)


async def run_trials(plan: Plan, folder: RunFolder, watcher: Watcher) -> list[Trial]:
    """All trials of a run, a few at a time; each is recorded as it ends."""
    gate = asyncio.Semaphore(plan.concurrency)
    done: list[Trial] = []

    async def one(number: int) -> None:
        async with gate:
            trial = await run_trial(plan, number, folder.trial(number), watcher)
        folder.append(trial)
        done.append(trial)
        watcher.finished(trial)

    async with asyncio.TaskGroup() as group:
        for number in range(plan.trials):
            group.create_task(one(number))
    return sorted(done, key=lambda trial: trial.trial)


async def run_trial(plan: Plan, number: int, folder: Path, watcher: Watcher) -> Trial:
    """One trial. A fault of the machinery becomes an ``infrastructure`` trial, not an exception."""
    started = time.monotonic()
    played: _Played | None = None
    try:
        played = await _play(plan, number, folder, lambda what: watcher.doing(number, what))
        watcher.doing(number, "grading")
        verdict = await _verdict(plan, number, played)
    except Exception as error:  # whatever it is, the other trials go on
        kind = "agent" if isinstance(error, AgentError) else type(error).__name__
        return _trial(plan, number, played, None, f"{kind}: {error}", time.monotonic() - started)
    write_json(folder / "verdict.json", verdict.model_dump(mode="json"))
    return _trial(plan, number, played, verdict, verdict.detail, time.monotonic() - started)


@dataclass(frozen=True)
class _Played:
    end: EpisodeEnd
    notebook: str | None
    report: object
    tool_calls: int
    tool_errors: int
    model_errors: int
    kernel_seconds: float
    model: str | None


async def _play(plan: Plan, number: int, folder: Path, progress: Callable[[str], None]) -> _Played:
    variant, seed = plan.variant, trial_seed(plan.seed, number)
    agent = plan.make_agent(seed)
    try:
        with plan.launcher.workspace() as workspace:
            notebook = await asyncio.to_thread(stage_workspace, variant, workspace)
            shutil.copyfile(notebook, folder / "broken.ipynb")
            write_json(folder / "planted.json", answer_key(variant))
            session = Session(
                notebook,
                workspace,
                plan.launcher,
                _limits(variant.task.budgets),
                _submit_tool(variant),
            )
            end = await _episode(plan, seed, agent, session, folder, progress)
        return _handed_in(folder, session, end, agent.model)
    finally:
        await _close(agent)


async def _episode(
    plan: Plan,
    seed: int,
    agent: Agent,
    session: Session,
    folder: Path,
    progress: Callable[[str], None],
) -> EpisodeEnd:
    variant = plan.variant
    prompt = render_prompt(variant.task)
    with Transcript(folder / "transcript.jsonl") as transcript:
        async with session:
            transcript.write(
                Start(
                    task=variant.task.name,
                    variant=variant.name,
                    agent=agent.name,
                    model=agent.model,
                    seed=seed,
                    prompt=prompt,
                    tools=[dict(tool) for tool in session.definitions],
                )
            )
            progress("starting")
            return await run_episode(
                agent, session, prompt, variant.task.budgets, transcript, progress
            )


def _handed_in(folder: Path, session: Session, end: EpisodeEnd, model: str | None) -> _Played:
    notebook, report = None, None
    if session.submission is not None:
        notebook = nbformat.writes(session.submission.notebook)
        report = session.submission.report.get("bug_report")
        (folder / "submission.ipynb").write_text(notebook, encoding="utf-8")
        write_json(folder / "bug_report.json", report)
    return _Played(
        end,
        notebook,
        report,
        session.calls,
        session.tool_errors,
        session.model_errors,
        session.kernel_seconds,
        model,
    )


async def _close(agent: Agent) -> None:
    close = getattr(agent, "close", None)
    if close is not None:
        await close()


async def _verdict(plan: Plan, number: int, played: _Played) -> Verdict:
    if played.end.reason != "submitted" or played.notebook is None:
        verdict = failed(FailureReason(played.end.reason), played.end.detail)
    else:
        seed = trial_seed(plan.seed, number)
        verdict = await grade_text(
            played.notebook, played.report, plan.variant, seed, plan.launcher
        )
    return verdict.model_copy(
        update={
            "checks": (*episode_checks(played.end), *verdict.checks),
            **confinement(plan.launcher),
        }
    )


def episode_checks(end: EpisodeEnd) -> tuple[CheckResult, ...]:
    """Results of the checks on the episode itself."""

    def check(check_id: str, passed: bool, bound: str) -> CheckResult:
        return CheckResult(
            id=check_id,
            clause=None,
            passed=passed,
            value=None,
            bound=bound,
            explanation=end.detail or end.reason,
        )

    return (
        check(SUBMITTED, end.reason == "submitted", "a submission"),
        check(BUDGET, end.reason != "out_of_budget", "within all budgets"),
    )


def _limits(budgets: Budgets) -> Limits:
    return Limits(
        max_calls=budgets.tool_calls,
        kernel_seconds=60 * budgets.kernel_minutes,
        cell_timeout=budgets.cell_seconds,
    )


def _submit_tool(variant: Variant) -> SubmitTool:
    def validate(arguments: dict[str, object]) -> list[str]:
        try:
            entries = parse_report(arguments.get("bug_report"), variant.task.report)
        except ReportError as error:
            return str(error).splitlines()
        return problems(entries, variant)

    return SubmitTool(SUBMIT_DESCRIPTION, report_schema(variant.task.report), validate)


def _trial(
    plan: Plan,
    number: int,
    played: _Played | None,
    verdict: Verdict | None,
    detail: str,
    seconds: float,
) -> Trial:
    usage = played.end.usage if played else Usage()
    outcome: Outcome = "failed"
    if verdict is None or verdict.passed:
        outcome = "infrastructure" if verdict is None else "passed"
    return Trial(
        trial=number,
        outcome=outcome,
        failure_reason=verdict.failure_reason if verdict else None,
        detail=detail,
        reward=verdict.reward if verdict else None,
        bugs=verdict.bugs if verdict else (),
        false_alarms=len(verdict.false_alarms) if verdict else 0,
        turns=played.end.turns if played else 0,
        tool_calls=played.tool_calls if played else 0,
        tool_errors=played.tool_errors if played else 0,
        model_errors=played.model_errors if played else 0,
        usage=asdict(usage),
        cost=cost(played.model, usage) if played and played.model else None,
        kernel_seconds=played.kernel_seconds if played else 0.0,
        grade_seconds=verdict.seconds if verdict else 0.0,
        seconds=seconds,
        confined=plan.launcher.confined,
    )
