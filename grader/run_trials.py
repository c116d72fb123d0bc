"""``python -m grader.run_trials``: trials of an agent on a task, graded and recorded."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from grader.agents.base import Agent, AgentError
from grader.agents.pricing import DEFAULT_MODEL
from grader.agents.scripted import PLANS, apprentice_rate, scripted_agent
from grader.agents.spending import Purse
from grader.display import Bars, Follower, Lines
from grader.estimate import estimate
from grader.records import INTERRUPTED, SETTLED, RunConfig, Trial
from grader.run_config import (
    AGENTS,
    TRIALS,
    TRIALS_UNTIL_DECIDED,
    agent_and_model,
    new_config,
    run_to_resume,
    settings,
)
from grader.run_folder import (
    SUMMARY,
    FolderError,
    Run,
    RunFolder,
    new_run_path,
    read_run,
    refuse_changes,
)
from grader.sandbox import launcher_of, sandbox_option
from grader.summary import summarise
from grader.tables import print_summary, result_line
from grader.trials import MakeAgent, Plan, run_trials
from kernel_tool.launch import Launcher
from task_spec.cli import Failure, defaulted, run, variant_of, variant_options, variant_seed_option
from task_spec.variant import Variant

if TYPE_CHECKING:
    from grader.agents.claude import ClaudeAgent

UNFINISHED = 3  # exit status of a run that stopped before its trials were done
_NO_MODEL = (
    "No model takes part: {agent} is a script that knows the answers. Its pass rate says nothing "
    "about a model. To run one, set ANTHROPIC_API_KEY (and --model)."
)


@click.command()
@variant_options
@click.option(
    "--agent",
    default="auto",
    show_default=True,
    type=click.Choice(AGENTS),
    help="Who plays. auto: claude where ANTHROPIC_API_KEY is set, else apprentice.",
)
@click.option("--model", help=f"Model of agent claude.  [default: {DEFAULT_MODEL}]")
@click.option(
    "--trials",
    type=click.IntRange(1),
    help=f"How many.  [default: {TRIALS}; with --until-decided {TRIALS_UNTIL_DECIDED}]",
)
@click.option(
    "--until-decided",
    is_flag=True,
    help="Stop as soon as it is settled whether the pass rate lies in the band; "
    "--trials is then the most there will be.",
)
@click.option(
    "--concurrency", default=2, show_default=True, type=click.IntRange(1), help="Trials at a time."
)
@click.option(
    "--retries",
    default=2,
    show_default=True,
    type=click.IntRange(0),
    help="How often a trial that a fault of the machinery has ended is tried again.",
)
@click.option(
    "--trial-minutes",
    default=120.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Wall time of one attempt at a trial; one that takes longer counts as infrastructure.",
)
@click.option(
    "--max-cost",
    type=click.FloatRange(0, min_open=True),
    help="USD: stop before a request that could exceed it.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Draws the unpublished worlds, and what scripted agents do.  [default: drawn at random]",
)
@variant_seed_option
@sandbox_option
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: new under runs/]"
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with the run in this folder, by its settings.",
)
@click.option("--verbose", is_flag=True, help="Follow one episode at a time, word by word.")
@click.option("--quiet", is_flag=True, help="A line a trial and one at the end.")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Run trials of an agent on a task, and print its pass rate.

    Exit status: 0 the trials are done, 2 wrong use, 3 stopped before they were done.
    """
    if options["verbose"] and options["quiet"]:
        raise Failure("--verbose and --quiet exclude each other: give one of them")
    launcher = launcher_of(options["unsafe_no_sandbox"])
    try:
        before = run_to_resume(options)
        if before is not None:
            options |= settings(before.config, defaulted(context))
        variant = variant_of(options)
        config = new_config(options, *agent_and_model(options), variant, launcher)
        if before is not None:
            refuse_changes(before.config, config)
        asyncio.run(_preflight(config))
        folder = _folder(options, config)
    except (FolderError, AgentError) as error:
        raise Failure(str(error)) from None
    with closing(folder):
        begun = read_run(folder.path)
        sys.exit(_run(_plan(begun, variant, launcher), begun, folder, options))


def _plan(begun: Run, variant: Variant, launcher: Launcher) -> Plan:
    config = begun.config
    return Plan(
        variant,
        _maker(config, variant, _purse(config, begun.attempts)),
        config.trials,
        config.concurrency,
        config.seed,
        launcher,
        retries=config.retries,
        trial_seconds=60 * config.trial_minutes,
        until_decided=config.until_decided,
    )


def _claude(model: str, purse: Purse | None) -> ClaudeAgent:
    # Imported when it is needed: the SDK takes a second, which every script would wait for.
    from grader.agents.claude import ClaudeAgent

    return ClaudeAgent(model, purse=purse)


async def _preflight(config: RunConfig) -> None:
    if config.model is None:
        return
    agent = _claude(config.model, _purse(config))
    try:
        await agent.preflight()
    finally:
        await agent.close()


def _folder(options: dict[str, Any], config: RunConfig) -> RunFolder:
    if options["resume"] is not None:
        folder = RunFolder.resume(options["resume"])
    else:
        folder = RunFolder.create(options["out"] or new_run_path(config.task, config.agent))
    folder.write("config.json", config)
    return folder


def _purse(config: RunConfig, attempts: Sequence[Trial] = ()) -> Purse | None:
    if config.max_cost is None:
        return None
    return Purse(config.max_cost, sum(attempt.cost or 0.0 for attempt in attempts))


def _maker(config: RunConfig, variant: Variant, purse: Purse | None) -> MakeAgent:
    def make(seed: int) -> Agent:
        if config.model is not None:
            return _claude(config.model, purse)
        return scripted_agent(config.agent, variant, seed)

    return make


def _run(plan: Plan, begun: Run, folder: RunFolder, options: dict[str, Any]) -> int:
    console, config = Console(), begun.config
    if not options["quiet"]:
        _announce(console, plan, begun)
    stopped = INTERRUPTED
    try:
        with _watcher(console, plan, folder, options) as watcher:
            stopped = asyncio.run(run_trials(plan, folder, watcher)) or ""
    finally:
        known = apprentice_rate(plan.variant) if config.agent == "apprentice" else None
        summary = summarise(read_run(folder.path), known)
        folder.write(SUMMARY, {**summary, "stopped": stopped})
    if options["quiet"]:
        console.print(
            f"{folder.path}: {result_line(summary)}", highlight=False, soft_wrap=True, markup=False
        )
    else:
        print_summary(console, summary)
        review = f"to review it: python -m grader.export {folder.path} --format html"
        console.print(review, soft_wrap=True, markup=False)
    if stopped:
        console.print(stopped, style="yellow", highlight=False, soft_wrap=True, markup=False)
    if summary["open"] + summary["infrastructure"] and not stopped.startswith(SETTLED):
        again = f"to go on: python -m grader.run_trials --resume {folder.path}"
        console.print(again, soft_wrap=True, markup=False)
        return UNFINISHED
    return 0


def _announce(console: Console, plan: Plan, begun: Run) -> None:
    config = begun.config
    console.print(
        f"{config.trials} trials of {config.variant}, agent {config.agent}, in {begun.path}",
        soft_wrap=True,
        markup=False,
    )
    if config.agent in PLANS:
        console.print(_NO_MODEL.format(agent=config.agent), style="yellow")
    console.print(
        f"kernels: {plan.launcher.tier.description}", style=None if config.confined else "bold red"
    )
    if costs := estimate(config, begun.path.parent, begun.unfinished):
        console.print(costs, highlight=False)


def _watcher(console: Console, plan: Plan, folder: RunFolder, options: dict[str, Any]) -> Lines:
    if options["quiet"]:
        return Lines(console)
    if options["verbose"]:
        return Follower(console)
    done = len(read_run(folder.path).graded)
    return Bars(console, plan.trials, done, plan.variant.task.budgets.tool_calls)


if __name__ == "__main__":
    run(main, "python -m grader.run_trials")
