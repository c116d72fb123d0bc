"""What a run costs: said before it starts, bounded while it goes on."""

from __future__ import annotations

import json

import pytest

from grader.agents.pricing import price_of
from grader.estimate import TURNS, estimate, typical_usage
from grader.run_folder import RunFolder, read_run
from tests.agents.stand_in import MODEL, StandIn, episode
from tests.agents.stand_in_replies import Reply, call, text
from tests.command_line import refused
from tests.grader.test_calibrate import CONFIG
from tests.grader.test_display import ended
from tests.grader.test_trials import RUN_TRIALS
from tests.grader.tiny_task import resume_on_tiny_task, run_on_tiny_task

PRICED = "claude-haiku-4-5"
DONE = Reply(text("I am done."))


def played(folder, script, *options, do=run_on_tiny_task):
    with StandIn(script, models=(PRICED,)) as server:
        return do(folder, *options, **server.environment), server.requests


@pytest.fixture
def config():
    return CONFIG.model_copy(update={"model": PRICED, "trials": 1})


def test_the_estimate_comes_before_the_first_trial(tmp_path):
    done, _ = played(tmp_path, episode(DONE, DONE, DONE), "--model", PRICED, "--trials", 1)
    assert done.exit_code == 0, done.output
    assert done.output.index("cost: about $") < done.output.index("trial   0")


def test_without_a_price_nothing_is_estimated(config, tmp_path):
    words = estimate(config.model_copy(update={"model": MODEL}), tmp_path, 1)
    assert words == f"cost: not known, there is no price for {MODEL}"


def test_without_earlier_trials_the_estimate_is_of_a_typical_episode(config, tmp_path):
    used = typical_usage("transits")
    each = price_of(PRICED).of(used)
    words = estimate(config, tmp_path / "elsewhere", 10)
    assert f"about ${each:.2f} a trial, ${10 * each:.2f} for 10" in words
    assert f"an episode of {TURNS} turns" in words
    # Of what is sent, nearly all has been sent before.
    assert used.cache_read > 10 * used.cache_write


def test_earlier_trials_of_the_same_model_make_the_estimate(config, tmp_path):
    folder = RunFolder(tmp_path / "runs" / "two")
    folder.write("config.json", config)
    for number, dollars in enumerate((2.0, 4.0)):
        folder.append(ended(number, cost=dollars))
    other = RunFolder(tmp_path / "runs" / "three")
    other.write("config.json", config.model_copy(update={"model": "claude-opus-5"}))
    other.append(ended(0, cost=100.0))
    (tmp_path / "runs" / "four").mkdir()
    (tmp_path / "runs" / "four" / "config.json").write_text("no json")
    assert "about $3.00 a trial" in estimate(config, tmp_path / "runs", 1)
    assert "2 earlier trials" in estimate(config, tmp_path / "runs", 1)


def test_a_script_costs_nothing_and_has_no_estimate(config, tmp_path):
    assert estimate(config.model_copy(update={"model": None}), tmp_path, 1) is None


def test_a_run_stops_before_its_money_is_spent_and_goes_on_with_more(tmp_path):
    """A reply of this model can cost up to 0.32 USD; each does cost 0.10."""
    out = tmp_path / "run"
    dear = Reply(call("read_notebook", {}), usage={"output_tokens": 20_000})
    script = episode(dear, dear, DONE, DONE, DONE)
    options = ("--model", PRICED, "--trials", 2, "--concurrency", 1, "--max-cost", 0.7)
    done, requests = played(tmp_path, script, *options)
    assert done.exit_code == 3, done.output
    assert "of the $0.70 of --max-cost are spent" in " ".join(done.output.split())
    assert f"--resume {out}" in done.output
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["trials"], summary["infrastructure"], summary["open"]) == (1, 1, 0)
    assert summary["cost"] <= 0.7
    assert summary["stopped"]
    assert len(requests) == 5 + 2
    done, more = played(tmp_path, script, "--max-cost", 5, do=resume_on_tiny_task)
    assert done.exit_code == 0, done.output
    assert len(more) == 5
    after = json.loads((out / "summary.json").read_text())
    assert (after["trials"], after["repeated"], after["stopped"]) == (2, 1, "")
    assert after["cost"] == pytest.approx(summary["cost"] + sum(summary_cost(out, 1)))


def summary_cost(out, number):
    """What the last attempt at a trial has cost."""
    return [trial.cost for trial in read_run(out).trials if trial.trial == number]


@pytest.mark.parametrize(
    ("options", "model", "advice"),
    [
        (["--max-cost", 1], MODEL, f"the price of {MODEL} is not known"),
        (["--max-cost", 0], PRICED, "--max-cost"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(options, model, advice, tmp_path):
    words = ("--model", model, *options, "--out", tmp_path / "run")
    with StandIn([], models=(model,)) as server:
        told = refused(RUN_TRIALS, *words, **server.environment)
    assert advice in told
    assert server.requests == []
    assert not (tmp_path / "run").exists()


def test_a_limit_without_a_model_is_refused(tmp_path):
    told = refused(RUN_TRIALS, "--agent", "oracle", "--max-cost", 1, "--out", tmp_path / "run")
    assert "oracle costs nothing" in told


def test_a_run_stops_as_soon_as_the_band_question_is_settled(tmp_path):
    done = run_on_tiny_task(tmp_path, "--agent", "nop", "--until-decided", "--concurrency", 8)
    assert done.exit_code == 0, done.output
    assert "settled: the pass rate lies outside the band" in done.output
    run_now = read_run(tmp_path / "run")
    assert run_now.config.trials == 100
    # None of the first 35 passes settles it; those under way were let end.
    assert 35 <= len(run_now.trials) <= 35 + 8
