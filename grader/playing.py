"""Playing a trial: stage its workspace, let the agent play, keep what it handed in."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from grader.agents.base import Agent
from grader.episode import run_episode
from grader.records import answer_key, write_json
from grader.report import problems
from grader.run_folder import BROKEN
from grader.submission import ReportError, parse_report
from grader.transcript import Event, Start, Transcript
from kernel_tool.launch import Launcher
from kernel_tool.session import Limits, Session, Submission, SubmitTool
from kernel_tool.tools import definitions
from task_spec.model import Budgets
from task_spec.prompt import render_prompt
from task_spec.staging import stage_workspace
from task_spec.submit_tool import SUBMIT_DESCRIPTION, report_schema
from task_spec.variant import Variant

NOTEBOOK, REPORT = "submission.ipynb", "bug_report.json"


async def play(
    variant: Variant,
    make_agent: Callable[[int], Agent],
    seed: int,
    launcher: Launcher,
    folder: Path,
    listener: Callable[[Event], None],
) -> None:
    """One episode, recorded in ``folder``: the notebook as delivered, the answer key, each step,
    what was handed in, and last of all the end, so that an end stands for a whole record.

    Raises AgentError, KernelStartError, or whatever else goes wrong with the machinery.
    """
    with launcher.workspace() as workspace:
        notebook = await asyncio.to_thread(stage_workspace, variant, workspace)
        shutil.copyfile(notebook, folder / BROKEN)
        write_json(folder / "planted.json", answer_key(variant))
        limits, submit = _limits(variant.task.budgets), _submit_tool(variant)
        session = Session(notebook, workspace, launcher, limits, submit)
        with Transcript(folder / "transcript.jsonl", listener) as transcript:
            async with session:
                agent, prompt = make_agent(seed), render_prompt(variant.task)
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
                end = await run_episode(
                    agent, session, prompt, variant.task.budgets, transcript.write
                )
                if session.submission is not None:
                    _keep(session.submission, folder)
                transcript.write(end)


def session_tools(variant: Variant) -> list[dict[str, Any]]:
    """The tools of an episode, as the Messages API takes them."""
    return definitions(_limits(variant.task.budgets), _submit_tool(variant))


def _keep(submission: Submission, folder: Path) -> None:
    (folder / NOTEBOOK).write_text(nbformat.writes(submission.notebook), encoding="utf-8")
    write_json(folder / REPORT, submission.report.get("bug_report"))


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
