"""A run folder with one trial."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from sample_trial import write_transcript, write_trial

from grader.transcript import Event


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with one finished trial."""
    folder = tmp_path / "pilot"
    write_trial(folder)
    config = {"task": "transits", "agent": "claude", "model": "claude-x", "seed": 7, "trials": 1}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def trial(run: Path) -> Path:
    """Its folder."""
    return run / "trial-000"


@pytest.fixture
def retell(trial: Path) -> Callable[[Iterable[Event]], None]:
    """Replaces the transcript of the trial."""
    return lambda events: write_transcript(trial, events)
