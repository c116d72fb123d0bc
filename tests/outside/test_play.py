"""An episode from a terminal: `python -m grader.play`, a call a command."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import psutil
import pytest

from grader.agents.scripted import oracle
from grader.outside.arguments import parsed
from grader.outside.wire import Hosted, ask
from grader.run_folder import read_run
from grader.transcript import End, read_transcript
from task_spec.cli import Failure
from tests.command_line import refused
from tests.grader.playing import DEFAULT
from tests.outside.test_mcp import PLOT, graded


def play(folder: Path, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader.play", *map(str, words)]
    return subprocess.run(
        command, cwd=folder, input=stdin, capture_output=True, text=True, check=False
    )


def start(folder: Path, *options: str) -> Path:
    done = play(folder, "start", *options)
    assert done.returncode == 0, done.stderr
    folder_of_it = Path(done.stderr.rsplit("episode: ", 1)[1].strip())
    # What is printed can be run as it is, also where the episode must be named.
    named = not folder_of_it.is_relative_to((folder / "runs").resolve())
    assert (f"call --episode {folder_of_it} read_notebook" in done.stdout) is named
    return folder_of_it


@pytest.mark.long
@pytest.mark.matrix
def test_an_episode_from_start_to_verdict(tmp_path):
    done = play(tmp_path, "start", "--agent", "me", "--model", "mine", "--out", "runs/one")
    assert done.returncode == 0, done.stderr
    assert "Repair a notebook that is silently wrong" in done.stdout
    assert "## run_cells" in done.stdout
    first, *others = (
        {"cell_id": edit.cell, "old": edit.old, "new": edit.new}
        for edit in oracle(DEFAULT, 0).edits
    )
    changed = play(tmp_path, "call", "edit_cell", "-", stdin=json.dumps(first))
    assert (changed.returncode, changed.stderr) == (0, "")
    hosted = Hosted.model_validate_json((tmp_path / "runs/one/trial-000/host.json").read_text())
    for arguments in others:
        question = {"do": "call", "name": "edit_cell", "arguments": arguments}
        assert asyncio.run(ask(hosted.socket, question))["fault"] is None
    shown = play(tmp_path, "call", "run_code", "code=-", stdin=PLOT + "\nprint('it''s')\n")
    picture = Path(shown.stdout.rsplit("[plot: ", 1)[1].split("]")[0])
    assert picture.read_bytes().startswith(b"\x89PNG")
    prompt = play(tmp_path, "prompt").stdout
    assert done.stdout.startswith(prompt.rstrip())
    assert play(tmp_path, "status").stdout.startswith("playing: ")
    (tmp_path / "report.json").write_text(json.dumps(oracle(DEFAULT, 0).report))
    handed_in = play(tmp_path, "submit", "report.json")
    assert (handed_in.returncode, handed_in.stdout) == (0, "Submitted. The episode is over.\n")
    again = play(tmp_path, "call", "read_notebook")
    assert again.returncode in (1, 2)
    trial = graded(tmp_path / "runs" / "one")
    assert (trial.outcome, trial.tool_errors, trial.model_errors) == ("passed", 0, 0)
    shown = play(tmp_path, "status", "--verdict").stdout.splitlines()
    assert shown[:2] == ["ended", "passed (reward 1.00)"]
    assert [line.partition(" (rows")[0] for line in shown[2:]] == [
        f"{bug.id}: repaired and reported" for bug in DEFAULT.bugs
    ]
    config = read_run(tmp_path / "runs" / "one").config
    assert (config.agent, config.model) == ("me", "mine")


@pytest.mark.long
@pytest.mark.matrix
def test_trials_are_added_to_a_run_and_others_refused(tmp_path):
    first, second = start(tmp_path, "--out", "run"), start(tmp_path, "--out", "run")
    assert (first.name, second.name) == ("trial-000", "trial-001")
    refused = play(tmp_path, "start", "--out", "run", "--agent", "other")
    assert refused.returncode == 2
    assert "agent is outside in the run and other now" in refused.stderr
    busy = subprocess.run(
        [sys.executable, "-m", "grader.run_trials", "--resume", "run", "--agent", "nop"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert busy.returncode == 2
    two = play(tmp_path, "call", "read_notebook")
    assert two.returncode == 2
    for folder in (first, second):
        assert play(tmp_path, "stop", "--episode", folder).returncode == 0
    deadline = time.monotonic() + 30
    while len(read_run(tmp_path / "run").trials) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    run = read_run(tmp_path / "run")
    assert run.config.trials == 2
    assert {trial.failure_reason for trial in run.trials} == {"no_submission"}
    last = list(read_transcript(first / "transcript.jsonl"))[-1]
    assert isinstance(last, End)
    assert (last.reason, last.detail) == ("no_submission", "the agent gave up")


@pytest.mark.matrix
def test_an_idle_episode_ends_by_itself_and_leaves_no_process(tmp_path):
    folder = start(tmp_path, "--out", "run", "--idle-minutes", "0.2")
    host = psutil.Process(json.loads((folder / "host.json").read_text())["process"])
    family = [host, *host.children(recursive=True)]
    shown = " ".join(word for process in family for word in process.cmdline())
    assert not [bug.id for bug in DEFAULT.bugs if bug.id in shown]  # anybody may list processes
    assert "cell load" in play(tmp_path, "call", "--episode", folder, "read_notebook").stdout
    trial = graded(tmp_path / "run")
    assert (trial.failure_reason, trial.tool_calls) == ("no_submission", 1)
    assert trial.detail == "no call for 0.2 minutes"
    _, alive = psutil.wait_procs(family, 10)
    assert not alive
    late = play(tmp_path, "call", "--episode", folder, "read_notebook")
    assert late.returncode == 2
    assert "it has ended" in late.stderr


@pytest.mark.matrix
def test_a_host_that_was_killed_is_told_in_one_line(tmp_path):
    folder = start(tmp_path, "--out", "run")
    process = json.loads((folder / "host.json").read_text())["process"]
    os.kill(process, 9)
    psutil.wait_procs([psutil.Process(process)] if psutil.pid_exists(process) else [], 10)
    late = play(tmp_path, "call", "--episode", folder, "read_notebook")
    assert late.returncode == 2
    assert "was killed" in late.stderr
    assert len(late.stderr.strip().splitlines()) == 1


def test_an_episode_call_by_call(tmp_path):
    folder = start(tmp_path, "--out", "runs/one")
    shown = play(tmp_path, "call", "run_code", "code=-", stdin="print('a=\"b\"')\n")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert 'a="b"' in shown.stdout
    wrong = play(tmp_path, "call", "edit_cell", "cell_id=nope", "source=x")
    assert wrong.returncode == 1
    assert "The cells are" in wrong.stdout
    play(tmp_path, "call", "insert_cell", "after=start", "source=1 / 0")
    assert play(tmp_path, "submit", "-", stdin="[]").returncode == 0
    trial = graded(tmp_path / "runs" / "one")
    assert (trial.failure_reason, trial.model_errors) == ("notebook_error", 1)
    assert "failed: notebook_error" in play(tmp_path, "status", "--verdict").stdout
    assert folder.name == "trial-000"


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["start", "--agent", "oracle"], "give yours another name"),
        (["start", "--task", "transit"], "did you mean 'transits'"),
        (["start", "--out", "/proc/nope"], "choose another folder"),
        (["call", "read_notebook"], "start one"),
        (["status"], "start one"),
        (["status", "--episode", "nope"], "there is no episode at nope"),
        (["submit", "nope.json"], "nope.json"),
    ],
)
def test_wrong_use_says_what_to_do(words, advice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert advice in refused("grader.play", *words)


SCHEMA = {
    "properties": {
        "code": {"type": "string"},
        "cells": {"anyOf": [{"type": "array"}, {"type": "string", "const": "all"}]},
        "timeout_seconds": {"type": "number"},
        "outputs": {"type": "boolean"},
    }
}


@pytest.mark.parametrize(
    ("words", "stdin", "arguments"),
    [
        ([], "", {}),
        (["code=1 + 1", "timeout_seconds=5"], "", {"code": "1 + 1", "timeout_seconds": 5}),
        (["code=-"], "print('a=b')\n", {"code": "print('a=b')"}),
        (["code={'a': 1}"], "", {"code": "{'a': 1}"}),
        (['code="quoted"'], "", {"code": '"quoted"'}),
        (["code=@home"], "", {"code": "@home"}),
        (["cells=all"], "", {"cells": "all"}),
        (["cells=a,b"], "", {"cells": ["a", "b"]}),
        (['cells=["a", "b"]'], "", {"cells": ["a", "b"]}),
        (["outputs=true"], "", {"outputs": True}),
        (['{"cells": ["a"], "outputs": true}'], "", {"cells": ["a"], "outputs": True}),
        (["-"], '{"code": "x"}', {"code": "x"}),
        (["unknown=1"], "", {"unknown": 1}),
    ],
)
def test_arguments_as_a_shell_writes_them(words, stdin, arguments):
    assert parsed(words, SCHEMA, StringIO(stdin)) == arguments


@pytest.mark.parametrize(
    ("words", "stdin", "advice"),
    [
        (["1 + 1"], "", "write NAME=VALUE"),
        (["a b=1"], "", "write NAME=VALUE"),
        (["-"], "nope", "no JSON"),
        (["-"], "[1]", "no JSON object"),
        (["{nope}"], "", "no JSON"),
    ],
)
def test_what_is_no_argument_is_refused(words, stdin, advice):
    with pytest.raises(Failure, match=advice):
        parsed(words, SCHEMA, StringIO(stdin))


def test_an_argument_from_a_file(tmp_path):
    (tmp_path / "cell.py").write_text("x = 1\ny = 2\n")
    found = parsed([f"code=@{tmp_path}/cell.py"], SCHEMA, StringIO())
    assert found == {"code": "x = 1\ny = 2"}
