"""The configuration of a run: made from options, or held against the run that is resumed."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from importlib.metadata import version
from typing import Any

from grader.agents.pricing import DEFAULT_MODEL
from grader.agents.scripted import PLANS
from grader.records import RunConfig, digest
from grader.run_folder import FREE, Run, read_run
from kernel_tool.launch import Launcher
from task_spec.cli import COMPOSING, Failure
from task_spec.variant import Variant

AGENTS = ("auto", "claude", *PLANS)
TRIALS, TRIALS_UNTIL_DECIDED = 10, 100


def run_to_resume(options: dict[str, Any]) -> Run | None:
    """The run that --resume names, or None. Failure, or FolderError."""
    if options["resume"] is None:
        return None
    if options["out"] is not None:
        raise Failure("--resume and --out exclude each other: a resumed run stays in its folder")
    return read_run(options["resume"])


def settings(config: RunConfig, defaulted: set[str]) -> dict[str, Any]:
    """Of a run that is resumed, for the options that were not given."""
    found = {name: value for name, value in config if name in defaulted and name != "bugs"}
    if {"only", *COMPOSING} <= defaulted:
        found["only"] = ",".join(config.bugs)
    return found


def agent_and_model(options: dict[str, Any]) -> tuple[str, str | None]:
    """Who plays, by the options of `run_trials`. Failure if they don't go together."""
    agent, model = options["agent"], options["model"]
    if agent == "auto":
        agent = "claude" if os.environ.get("ANTHROPIC_API_KEY") else "apprentice"
    if agent not in AGENTS:
        raise Failure(
            f"agent {agent} plays from outside: add trials to its run with "
            "`python -m grader.play start --out RUN`"
        )
    if agent == "claude":
        return agent, model or DEFAULT_MODEL
    if model is not None:
        raise Failure(f"--model goes with --agent claude; {agent} has no model")
    if options["max_cost"] is not None:
        raise Failure(f"--max-cost goes with --agent claude; {agent} costs nothing")
    return agent, None


def new_config(
    options: dict[str, Any], agent: str, model: str | None, variant: Variant, launcher: Launcher
) -> RunConfig:
    """The configuration that options ask for."""
    trials = options["trials"] or (TRIALS_UNTIL_DECIDED if options["until_decided"] else TRIALS)
    same = ("task", "variant_seed", "until_decided", *FREE)
    return RunConfig(
        **{name: options[name] for name in same},
        trials=trials,
        variant=variant.name,
        bugs=tuple(bug.id for bug in variant.bugs),
        noise=variant.noise,
        digest=digest(variant),
        agent=agent,
        model=model,
        seed=secrets.randbelow(2**31) if options["seed"] is None else options["seed"],
        confined=launcher.confined,
        sandbox=launcher.tier.value,
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        version=version("silent-bugs"),
    )
