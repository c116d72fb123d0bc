"""The configuration of a run: made from options, or held against the run that is resumed."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from importlib.metadata import version
from typing import Any

from grader.agents.claude import DEFAULT_MODEL
from grader.agents.scripted import PLANS
from grader.records import RunConfig, digest
from grader.run_folder import Run, read_run
from kernel_tool.launch import Launcher
from task_spec.cli import Failure
from task_spec.variant import Variant

AGENTS = ("auto", "claude", *PLANS)
# What may be set anew when a run is resumed: it changes no trial.
FREE = ("concurrency", "retries", "trial_minutes", "max_cost", "started")


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
    if {"bugs", "only"} <= defaulted:
        found["only"] = ",".join(config.bugs)
    return found


def new_config(options: dict[str, Any], variant: Variant, launcher: Launcher) -> RunConfig:
    """The configuration that options ask for. Failure if they don't go together."""
    agent, model = options["agent"], options["model"]
    if agent == "auto":
        agent = "claude" if os.environ.get("ANTHROPIC_API_KEY") else "apprentice"
    if model is not None and agent != "claude":
        raise Failure(f"--model goes with --agent claude; {agent} has no model")
    if options["max_cost"] is not None and agent != "claude":
        raise Failure(f"--max-cost goes with --agent claude; {agent} costs nothing")
    same = ("task", "variant_seed", "trials", "until_decided", *FREE[:-1])
    return RunConfig(
        **{name: options[name] for name in same},
        variant=variant.name,
        bugs=tuple(bug.id for bug in variant.bugs),
        digest=digest(variant),
        agent=agent,
        model=(model or DEFAULT_MODEL) if agent == "claude" else None,
        seed=secrets.randbelow(2**31) if options["seed"] is None else options["seed"],
        confined=launcher.confined,
        sandbox=launcher.tier.value,
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        version=version("silent-bugs"),
    )


def refuse_changes(before: RunConfig, now: RunConfig) -> None:
    """Trials of another kind don't belong into a run. Failure says what differs."""
    changes = [
        f"{name} is {getattr(before, name)} in the run and {value} now"
        for name, value in now
        if name not in FREE and value != getattr(before, name)
    ]
    if changes:
        raise Failure(
            f"can't go on with a run that was configured differently: {'; '.join(changes)}. "
            "Leave these options out, or start another run with --out"
        )
