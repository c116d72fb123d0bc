"""What a run will cost, before it starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from grader.agents.base import Usage
from grader.agents.pricing import LOOKED_UP, cost, price_of
from grader.records import RunConfig
from grader.run_folder import FolderError, read_run
from task_spec.prompt import render_prompt
from task_spec.registry import get_task
from task_spec.submit_tool import report_schema

# Without earlier trials: an episode as strong solvers were seen to play it, with prompt caching.
TURNS, READ, SAID = 30, 2_500, 800  # turns; tokens of results and of output in each
_CHARACTERS_OF_A_TOKEN = 4


def estimate(config: RunConfig, runs: Path, trials: int) -> str | None:
    """What so many trials of a run may cost, in words: from trials of the same task and model under
    ``runs``, else from a typical episode. None without a model, and where there is no price for it
    says so."""
    if config.model is None:
        return None
    if price_of(config.model) is None:
        return f"cost: not known, there is no price for {config.model}"
    seen = list(_earlier(config, runs))
    basis = f"{len(seen)} earlier trials" if seen else f"an episode of {TURNS} turns"
    each = mean(seen) if seen else cost(config.model, typical_usage(config.task)) or 0.0
    return (
        f"cost: about ${each:.2f} a trial, ${each * trials:.2f} for {trials} "
        f"(from {basis}, prices of {LOOKED_UP})"
    )


def _earlier(config: RunConfig, runs: Path) -> Iterator[float]:
    for path in sorted(runs.glob("*/config.json")):
        try:
            run = read_run(path.parent)
        except FolderError:
            continue
        if (run.config.task, run.config.model) == (config.task, config.model):
            yield from (trial.cost for trial in run.trials if trial.cost)


def typical_usage(task_name: str) -> Usage:
    """Tokens of a typical episode: each turn reads from the cache all that came before it."""
    task = get_task(task_name)
    text = render_prompt(task) + json.dumps(report_schema(task.report))
    start, step = len(text) // _CHARACTERS_OF_A_TOKEN, READ + SAID
    read = sum(start + turn * step for turn in range(TURNS - 1))
    return Usage(
        input=0, output=TURNS * SAID, cache_read=read, cache_write=start + (TURNS - 1) * step
    )
