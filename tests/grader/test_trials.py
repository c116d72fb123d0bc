"""Whole trials through `python -m grader.run_trials`, with real kernels."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from grader.agents.scripted import PLANS, apprentice_rate, scripted_agent
from grader.judging import judge_trial
from grader.stats import p_in_band, rate, wilson
from grader.transcript import read_transcript
from grader.trials import trial_seed
from grader.verdict import Verdict
from kernel_tool.launch import Launcher
from tests.command_line import refused
from tests.grader.playing import DEFAULT
from tests.grader.tiny_task import run_on_tiny_task

RUN_TRIALS = "grader.run_trials"
SUMMARY_KEYS = {
    "task", "agent", "model", "seed", "trials", "passed", "pass_rate", "ci95", "band", "p_in_band",
    "failure_reasons", "bugs", "tool_errors", "usage", "seconds",
}  # fmt: skip


def command(*arguments):
    return [sys.executable, "-m", RUN_TRIALS, *map(str, arguments)]


def run(*arguments, env=None, cwd=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC")} | (
        env or {}
    )
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment, cwd=cwd, check=False
    )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.long
@pytest.mark.matrix
async def test_oracle_passes_and_leaves_a_record_that_gives_the_same_verdict_again(tmp_path):
    out = tmp_path / "run"
    done = run("--agent", "oracle", "--trials", 1, "--seed", 5, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "says nothing about a model" in " ".join(done.stdout.split())
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary) >= SUMMARY_KEYS
    assert (summary["trials"], summary["passed"], summary["tool_errors"]) == (1, 1, 0)
    (trial,) = lines(out / "trials.jsonl")
    assert trial["outcome"] == "passed"
    folder = out / "trial-000"
    verdict = Verdict.model_validate_json((folder / "verdict.json").read_text())
    assert verdict.passed
    events = list(read_transcript(folder / "transcript.jsonl"))
    assert [events[0].type, events[-1].type] == ["start", "end"]
    assert events[-1].reason == "submitted"
    pictures = [p for e in events if e.type == "result" for p in e.content if p.type == "image"]
    assert pictures
    for name in ("broken.ipynb", "submission.ipynb", "bug_report.json", "planted.json"):
        assert (folder / name).stat().st_size > 0
    again = await judge_trial(DEFAULT, trial_seed(5, 0), Launcher(), folder, events)
    cost = {"seconds": 0.0, "cpu_seconds": 0.0}
    assert again.model_copy(update=cost) == verdict.model_copy(update=cost)  # to the last digit


@pytest.mark.parametrize(
    ("agent", "reasons"),
    [
        ("oracle", {}),
        ("reporter", {"partial_fix": 1}),
        ("fixer", {"missed_bug": 1}),
        ("spammer", {"false_alarm": 1}),
        ("nop", {"no_submission": 1}),
    ],
)
def test_half_a_solution_fails_for_its_reason(agent, reasons, tmp_path):
    done = run_on_tiny_task(tmp_path, "--agent", agent, "--trials", 1)
    assert done.exit_code == 0, done.output
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["trials"], summary["failure_reasons"]) == (1, reasons)
    assert summary["pass_rate"] == (0 if reasons else 1)


def test_ctrl_c_leaves_a_usable_folder_and_no_kernel(tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen(
        command("--agent", "oracle", "--trials", 2, "--out", out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Where this runs in the background of a shell, SIGINT is ignored and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    transcript = out / "trial-000" / "transcript.jsonl"
    deadline = time.monotonic() + 60
    while not (transcript.exists() and '"run_cells"' in transcript.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    kernels = psutil.Process(process.pid).children(recursive=True)
    assert kernels
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(kernels, timeout=10)
    assert not alive
    assert json.loads((out / "summary.json").read_text())["pass_rate"] is None
    assert list(read_transcript(transcript))[-1].reason == "interrupted"


def test_the_apprentices_known_rate_is_its_rate():
    """Over many seeds the plans that would pass are as frequent as the known rate says."""
    whole = scripted_plan(DEFAULT, "oracle", 0)
    passing = 0
    for seed in range(4000):
        plan = scripted_plan(DEFAULT, "apprentice", seed)
        passing += plan.edits == whole.edits and plan.report == whole.report
    low, high = wilson(passing, 4000, confidence=0.999)
    assert low <= apprentice_rate(DEFAULT) <= high
    assert 0.1 < apprentice_rate(DEFAULT) < 0.4


def scripted_plan(variant, name, seed):
    return PLANS[name](variant, seed)


async def test_scripted_agents_go_on_ending_their_turn_when_they_are_done():
    agent = scripted_agent("nop", DEFAULT, 0)
    for turn in (await agent.begin("", []), await agent.turn([])):
        assert turn.calls == ()


def test_statistics_without_trials_are_undefined():
    assert rate(0, 0) is None
    assert wilson(0, 0) is None
    assert p_in_band(0, 0) is None
    assert wilson(2, 10) == pytest.approx((0.0567, 0.5098), abs=1e-3)  # Wilson 1927, eq. for 2/10
    assert p_in_band(2, 10) == pytest.approx(0.79, abs=0.02)
    assert p_in_band(10, 10) < 0.001


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--task", "transit"], "did you mean 'transits'"),
        (["--trials", "-1"], "--trials"),
        (["--trials", "x"], "--trials"),
        (["--agent", "nobody"], "oracle"),
        (["--out", "/proc/nope"], "choose another folder"),
        (["--agent", "oracle", "--model", "m"], "--model goes with --agent claude"),
        (["--only", "nope"], "it has star_hours"),
        (["--agent", "claude"], "ANTHROPIC_API_KEY"),
    ],
)
def test_wrong_use_ends_in_one_line_and_status_2(arguments, advice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert advice in refused(RUN_TRIALS, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert "holds a run already" in refused(RUN_TRIALS, "--agent", "nop", "--out", tmp_path)


def test_no_network_is_one_line_and_status_2(tmp_path):
    env = {"ANTHROPIC_API_KEY": "sk-test-0", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    done = run("--out", tmp_path / "run", env=env)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "http://127.0.0.1:9" in done.stderr
    assert "sk-test-0" not in done.stderr
