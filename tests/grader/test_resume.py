"""Runs that were killed go on: nothing is lost, nothing is done twice, nothing is left behind."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from grader.run_folder import read_run
from grader.transcript import End, read_transcript
from tests.agents.stand_in import MODEL, StandIn, episode
from tests.agents.stand_in_replies import Fault, Reply, call, text
from tests.command_line import refused
from tests.grader.test_trials import RUN_TRIALS, command, run
from tests.grader.tiny_task import resume_on_tiny_task, run_on_tiny_task

KILLS = 50


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of two trials of an agent that does nothing."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert run("--agent", "nop", "--trials", 2, "--seed", 4, "--out", out).returncode == 0
    return out


def test_a_run_is_gone_on_with_only_if_it_is_asked_for(finished):
    assert f"--resume {finished}" in refused(RUN_TRIALS, "--agent", "nop", "--out", finished)


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (["--seed", 5], "seed is 4 in the run and 5 now"),
        (["--agent", "oracle"], "agent is nop in the run and oracle now"),
        (["--trials", 3], "trials is 2 in the run and 3 now"),
        (["--variant", 2], "variant_seed is 0 in the run and 2 now"),
        (["--only", "best_alias"], "bugs is "),
        (["--unsafe-no-sandbox"], "confined is True in the run and False now"),
        (["--out", "elsewhere"], "--resume and --out exclude each other"),
    ],
)
def test_a_changed_configuration_is_refused_and_named(finished, options, difference):
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    assert difference in refused(RUN_TRIALS, "--resume", finished, *options)
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_what_changes_no_trial_may_be_changed(finished):
    done = run("--resume", finished, "--concurrency", 3, "--retries", 5, "--seed", 4)
    assert done.returncode == 0, done.stderr
    assert "passed" in done.stdout
    config = read_run(finished).config
    assert (config.concurrency, config.retries, config.trials) == (3, 5, 2)


def test_a_run_that_is_there_can_only_be_resumed_as_one(tmp_path):
    assert "is not a run folder" in refused(RUN_TRIALS, "--resume", tmp_path)


def test_trials_that_a_fault_ended_are_tried_again_by_resume(tmp_path):
    """The one that was finished stays; the other's cost counts; its attempt is kept."""
    out = tmp_path / "run"
    with StandIn(episode(*[Reply(text("I am done."))] * 3)) as good:
        options = ("--model", MODEL, "--trials", 2, "--concurrency", 1, "--retries", 0)
        with StandIn(_one_good_trial()) as bad:
            done = run_on_tiny_task(tmp_path, *options, **bad.environment)
        assert done.exit_code == 3
        assert f"--resume {out}" in done.output
        kept = [trial for trial in read_run(out).trials if trial.outcome == "failed"]
        done = resume_on_tiny_task(tmp_path, **good.environment)
        assert done.exit_code == 0, done.output
        assert len(good.requests) == 3
    after = read_run(out)
    assert [trial.outcome for trial in after.trials] == ["failed", "failed"]
    assert kept[0] in after.trials
    assert [a.attempt for a in after.attempts if a.trial == 1] == [1, 2]
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["trials"], summary["infrastructure"], summary["repeated"]) == (2, 0, 1)
    assert summary["usage"]["output"] == 5 * (3 + 1 + 3)
    assert (out / "attempts" / "001-1" / "transcript.jsonl").exists()


def _one_good_trial():
    return [*[Reply(text("I am done."))] * 3, Reply(call("read_notebook", {})), Fault(400, "no")]


@contextmanager
def short_temporary_folder():
    """A folder for the temporary files of a run; long paths would not be used."""
    folder = Path(tempfile.mkdtemp(prefix="sbk", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def killed(arguments, temporary: Path, seconds: float, sign: Callable[[], bool]) -> bool:
    """Run the command, kill it some seconds after it gave a sign, and see that nothing is left;
    whether it was still running."""
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    while not sign() and process.poll() is None:
        time.sleep(0.05)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # The janitor is among them: it removes folders, and ends.
        _, alive = psutil.wait_procs(family, 20)
        assert not alive
        assert not list(temporary.iterdir())
        return True
    assert process.returncode == 0, process.stderr.read().decode()
    return False


def trial_folders(out: Path) -> set[Path]:
    return set(out.glob("trial-*"))


def transcripts_of_played(out: Path) -> dict[str, str]:
    """What has been played to its end, paid so to say, by folder: a digest of its transcript."""
    found = {}
    for path in out.glob("trial-*/transcript.jsonl"):
        if any(isinstance(event, End) and event.played for event in read_transcript(path)):
            found[path.parent.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.long
@pytest.mark.matrix
def test_killed_fifty_times_a_run_loses_and_repeats_nothing(tmp_path):
    out, rng, kills, most = tmp_path / "run", random.Random(7), 0, 1_000
    arguments = ("--agent", "nop", "--trials", most, "--concurrency", 4, "--out", out, "--quiet")
    graded, played = {}, {}
    with short_temporary_folder() as temporary:
        while kills < KILLS:
            # Two of three while it starts, one while it plays, however long starting takes here.
            known = trial_folders(out)
            sign = (lambda: True) if kills % 3 else (lambda seen=known: trial_folders(out) != seen)
            assert killed(arguments, temporary, rng.uniform(0.1, 2.5), sign)
            kills += 1
            if not (out / "config.json").exists():
                continue
            arguments = ("--resume", out, "--quiet")
            run_now = read_run(out)
            now = {t.trial: t for t in run_now.trials if t.outcome != "infrastructure"}
            assert graded.items() <= now.items()
            played_now = transcripts_of_played(out)
            assert played.items() <= played_now.items()
            graded, played = now, played_now
    # The rest in one go, with fewer trials to come.
    config = json.loads((out / "config.json").read_text())
    config["trials"] = len(list(out.glob("trial-*"))) + 3
    (out / "config.json").write_text(json.dumps(config))
    assert run("--resume", out, "--quiet").returncode == 0
    after = read_run(out)
    assert [trial.trial for trial in after.trials] == list(range(len(after.trials)))
    assert {t.failure_reason for t in after.trials} == {"no_submission"}
    assert {t.trial: t for t in after.trials}.items() >= graded.items()
    assert transcripts_of_played(out).items() >= played.items()
    lines = [(t.trial, t.attempt) for t in after.attempts]
    assert len(lines) == len(set(lines))
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["trials"], summary["open"]) == (len(after.trials), 0)
    assert summary["repeated"] > 0


@pytest.mark.long
@pytest.mark.matrix
def test_killed_while_it_grades_a_run_grades_again_and_plays_nothing_again(tmp_path):
    out = tmp_path / "run"
    arguments = ("--agent", "oracle", "--trials", 1, "--out", out)
    with short_temporary_folder() as temporary:
        for seconds in (1, 4):
            process = subprocess.Popen(
                command(*arguments),
                stdout=subprocess.DEVNULL,
                env=os.environ | {"TMPDIR": str(temporary)},
            )
            deadline = time.monotonic() + 120
            while not (played := transcripts_of_played(out)):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            time.sleep(seconds)
            process.kill()
            process.wait()
            arguments = ("--resume", out)
    assert run("--resume", out).returncode == 0
    (trial,) = read_run(out).trials
    assert (trial.outcome, trial.attempt) == ("passed", 1)
    assert transcripts_of_played(out) == played
