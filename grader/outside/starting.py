"""Starting an episode for an agent from outside, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from grader.outside.wire import Hosted
from grader.records import RunConfig
from grader.run_config import AGENTS, new_config, settings
from grader.run_folder import FolderError, new_run_path, read_run, refuse_changes
from grader.sandbox import launcher_of
from task_spec.cli import Failure, defaulted, variant_of
from task_spec.variant import Variant

_FIXED = {"trials": 1, "until_decided": False, "concurrency": 1, "retries": 0, "max_cost": None}


@dataclass(frozen=True)
class Prepared:
    """All that it takes to start an episode."""

    variant: Variant
    config: RunConfig
    run: Path
    idle_seconds: float


def prepare(context: click.Context, options: dict[str, Any]) -> Prepared:
    """What options ask for. Failure says what is wrong with them. Nothing is written yet."""
    options = _FIXED | options
    if options["agent"] in AGENTS:
        raise Failure(f"--agent {options['agent']} is one of ours: give yours another name")
    launcher, run = launcher_of(options["unsafe_no_sandbox"]), options["out"]
    try:
        before = read_run(run).config if run and (run / "config.json").exists() else None
        if before is not None:
            options |= settings(before, defaulted(context))
        variant = variant_of(options)
        config = new_config(options, options["agent"], options["model"], variant, launcher)
        if before is not None:
            refuse_changes(before, config, but=("trials",))
    except FolderError as error:
        raise Failure(str(error)) from None
    run = run or new_run_path(config.task, config.agent)
    return Prepared(variant, config, run, 60 * options["idle_minutes"])


def launch(prepared: Prepared) -> Hosted:
    """Start an episode in a process of its own; returns once its tools can be called. Failure."""
    run, idle_seconds = str(prepared.run), str(prepared.idle_seconds)
    process = subprocess.Popen(
        [sys.executable, "-m", "grader.outside.host", run, idle_seconds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as asked:
        asked.write(prepared.config.model_dump_json().encode())
    with process.stdout as told:
        line = told.readline()
    told = json.loads(line or '{"error": "its process has ended before it could be played"}')
    if "error" in told:
        raise Failure(told["error"])
    return Hosted.model_validate(told)
