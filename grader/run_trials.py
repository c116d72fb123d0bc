"""``python -m grader.run_trials``: trials of an agent on a task, graded and recorded."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console

from grader.agents.base import Agent, AgentError
from grader.agents.claude import DEFAULT_MODEL, ClaudeAgent
from grader.agents.scripted import PLANS, apprentice_rate, scripted_agent
from grader.display import Display, print_summary
from grader.records import FolderError, RunConfig, RunFolder, new_run_path
from grader.sandbox import launcher_of, sandbox_option
from grader.summary import summarise
from grader.trials import MakeAgent, Plan, run_trials
from task_spec.cli import Failure, run, variant_of, variant_options
from task_spec.variant import Variant

AGENTS = ("auto", "claude", *PLANS)
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
@click.option("--trials", default=10, show_default=True, type=click.IntRange(1))
@click.option(
    "--concurrency", default=2, show_default=True, type=click.IntRange(1), help="Trials at a time."
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Draws the unpublished worlds, and what scripted agents do.",
)
@click.option(
    "--variant",
    "variant_seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Seed of the variant: draws the data, and the bugs where it is not 0.",
)
@sandbox_option
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: new under runs/]"
)
def main(
    task: str,
    bugs: int | None,
    only: str | None,
    agent: str,
    model: str | None,
    trials: int,
    concurrency: int,
    seed: int,
    variant_seed: int,
    unsafe_no_sandbox: bool,
    out: Path | None,
) -> None:
    """Run trials of an agent on a task, and print its pass rate."""
    variant = variant_of(task, bugs, only, variant_seed)
    name = (
        agent
        if agent != "auto"
        else "claude"
        if os.environ.get("ANTHROPIC_API_KEY")
        else "apprentice"
    )
    if model is not None and name != "claude":
        raise Failure(f"--model goes with --agent claude; {name} has no model")
    model = (model or DEFAULT_MODEL) if name == "claude" else None
    launcher = launcher_of(unsafe_no_sandbox)
    plan = Plan(variant, _maker(name, model, variant), trials, concurrency, seed, launcher)
    try:
        asyncio.run(_preflight(name, model))
        folder = RunFolder(out or new_run_path(task, name))
    except (FolderError, AgentError) as error:
        raise Failure(str(error)) from None
    config = RunConfig(
        task=task,
        variant=variant.name,
        bugs=tuple(bug.id for bug in variant.bugs),
        variant_seed=variant_seed,
        agent=name,
        model=model,
        trials=trials,
        concurrency=concurrency,
        seed=seed,
        confined=plan.launcher.confined,
        sandbox=plan.launcher.tier.value,
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        version=version("silent-bugs"),
    )
    _run(plan, config, folder, Console())


def _run(plan: Plan, config: RunConfig, folder: RunFolder, console: Console) -> None:
    folder.write("config.json", config)
    console.print(
        f"{config.trials} trials of {config.variant}, agent {config.agent}, in {folder.path}"
    )
    if config.agent in PLANS:
        console.print(_NO_MODEL.format(agent=config.agent), style="yellow")
    console.print(
        f"kernels: {plan.launcher.tier.description}", style=None if config.confined else "bold red"
    )
    started, display = time.monotonic(), Display(console, plan.trials)
    try:
        with display:
            asyncio.run(run_trials(plan, folder, display))
    finally:
        known = apprentice_rate(plan.variant) if config.agent == "apprentice" else None
        summary = summarise(config, plan.variant, display.ended, time.monotonic() - started, known)
        folder.write("summary.json", summary)
    print_summary(console, summary)
    console.print(f"transcripts to read: python -m grader.export {folder.path} --format html")


def _maker(name: str, model: str | None, variant: Variant) -> MakeAgent:
    def make(seed: int) -> Agent:
        if model is not None:
            return ClaudeAgent(model)
        return scripted_agent(name, variant, seed)

    return make


async def _preflight(name: str, model: str | None) -> None:
    if name != "claude" or model is None:
        return
    agent = ClaudeAgent(model)
    try:
        await agent.preflight()
    finally:
        await agent.close()


if __name__ == "__main__":
    run(main, "python -m grader.run_trials")
