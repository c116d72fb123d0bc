"""`python -m grader.calibrate`: its model, its search, its proof, and its command line."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from grader.calibration import attempt_of, calibrate
from grader.proposal import predict, propose, reach
from grader.records import RunConfig, Trial
from grader.run_folder import Run, read_run
from grader.simulated import DESIGNS, NOISE, SOLVERS, Solver, catalogue, in_doubt, played, prove
from grader.skill import CLEAN, Attempt, Posterior, Trait, fit
from grader.stats import BAND, wilson
from grader.verdict import BugResult
from task_spec.registry import get_task
from tests.command_line import called

TASK = get_task("transits")
ALLOWED = [bug.id for bug in TASK.bugs if not bug.held_out]
WEAK, MIDDLING, STRONG = SOLVERS[:3]
ALL_BUGS, _, _, BESIDE = DESIGNS[:4]
CONFIG = RunConfig(
    task="transits",
    variant="transits",
    bugs=tuple(ALLOWED),
    variant_seed=0,
    noise=0.3,
    agent="claude",
    model="model-a",
    trials=10,
    seed=0,
    confined=True,
    sandbox="bubblewrap",
    concurrency=2,
    started="2026-01-01T00:00:00",
    version="0.1.0",
)


def trial(number, handled=ALLOWED, bugs=ALLOWED, reason=None, **changes):
    """A trial that repaired and reported the bugs ``handled``, and only reported the others."""
    reason = reason or (None if set(handled) >= set(bugs) else "partial_fix")
    facts = {
        "trial": number,
        "outcome": "failed" if reason else "passed",
        "failure_reason": reason,
        "detail": "",
        "reward": 0.5,
        "bugs": [
            BugResult(id=bug, kind="k", clauses=("P0",), fixed=bug in handled, reported=True)
            for bug in bugs
        ],
        **dict.fromkeys(("false_alarms", "turns", "tool_calls", "tool_errors", "model_errors"), 0),
        "usage": {},
        "cost": None,
        "kernel_seconds": 1.0,
        "grade_seconds": 1.0,
        "seconds": 2.0,
        "confined": True,
    }
    return Trial.model_validate(facts | changes)


def some_handled(chance, trials=10, seed=0):
    rng = np.random.default_rng(seed)
    return [trial(n, [bug for bug in ALLOWED if rng.random() < chance]) for n in range(trials)]


def write(path, ended, **changes):
    path.mkdir()
    (path / "config.json").write_text(CONFIG.model_copy(update=changes).model_dump_json())
    lines = "".join(each.model_dump_json() + "\n" for each in ended)
    (path / "trials.jsonl").write_text(lines)
    return path


def command(*arguments):
    return called("grader.calibrate", *arguments)


# The model.


def test_the_posterior_of_one_bug_is_the_integral():
    """One bug, every trial's form and all scales integrated out by brute force."""
    attempts = [Attempt({"a": True})] * 7 + [Attempt({"a": False})] * 3
    posterior = fit([Trait("a", "k", False, False)], attempts, draws=20000)
    rng = np.random.default_rng(1)
    n = 400_000
    bug, spread = (np.exp(rng.normal(np.log(m), s, n)) for m, s in ((1.2, 0.7), (0.5, 0.6)))
    skill = rng.normal(1.0, np.sqrt(1.8**2 + 0.7**2 + bug**2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    chance = expit(skill[:, None] + spread[:, None] * nodes) @ (weights / weights.sum())
    likelihood = chance**7 * (1 - chance) ** 3
    mean = np.average(chance, weights=likelihood)
    sd = np.sqrt(np.average((chance - mean) ** 2, weights=likelihood))
    found = posterior.chances(["a"], 0.0)[0]
    assert found.mean() == pytest.approx(mean, abs=0.01)
    assert found.std() == pytest.approx(sd, abs=0.01)


def test_what_is_in_doubt_counts_for_what_it_is():
    """Of two bugs one was not handled: each skill, form and scale integrated out by brute force."""
    attempts = [Attempt({"a": True, "b": True})] * 4 + [
        Attempt({}, doubtful=(frozenset("ab"),)),
        Attempt({}, doubtful=(frozenset("ab"),)),
        Attempt({"a": True}, doubtful=()),
    ]
    traits = [Trait("a", "k", False, False), Trait("b", "k", True, False)]
    posterior = fit(traits, attempts, draws=20000)
    rng = np.random.default_rng(1)
    n = 400_000
    bug, spread = (np.exp(rng.normal(np.log(m), s, n)) for m, s in ((1.2, 0.7), (0.5, 0.6)))
    shared = rng.normal(1.0, np.hypot(1.8, 0.7), n)
    a, b = (shared + bug * rng.normal(size=n) for _ in "ab")
    b += rng.normal(-1.0, 1.0, n)
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    weights /= weights.sum()
    one, other = (expit(x[:, None] + spread[:, None] * nodes) for x in (a, b))
    both = (one * other) @ weights
    likelihood = both**4 * (1 - both) ** 2 * (one @ weights)
    for bug_id, each in (("a", one), ("b", other)):
        mean = np.average(each @ weights, weights=likelihood)
        assert posterior.chances([bug_id], 0.0).mean() == pytest.approx(mean, abs=0.01)


def test_many_bugs_in_doubt_leave_the_estimates_steady():
    """Five checks that show two or three bugs each: another seed gives the same, nearly."""
    traits, rng = catalogue(), np.random.default_rng(5)
    ids = [trait.id for trait in traits]
    truth = SOLVERS[4].drawn(traits, rng)
    attempts = [in_doubt(played(truth, ids, NOISE, rng), ids, BESIDE.beside) for _ in range(10)]
    assert sum(len(each.doubtful) for each in attempts) > 20
    one, other = (fit(traits, attempts, seed=seed).chances(ids, NOISE) for seed in (1, 2))
    assert np.abs(one.mean(axis=1) - other.mean(axis=1)).max() < 0.06
    assert 0.8 < np.median(one.std(axis=1) / other.std(axis=1)) < 1.25


def known(skill, spread=0.8, slope=2.0, clean=0.9):
    traits = tuple(Trait(f"b{n}", "k", False, rows=n == 0) for n in range(len(skill)))
    facts = (np.array([value]) for value in (slope, spread, clean))
    return Posterior(traits, np.array([skill]), *facts)


def test_a_rate_is_the_integral_over_a_trials_form():
    truth, noise = known([1.0, 2.0, -0.5]), 0.5

    def density(form):
        chances = expit(np.array([1.0 - 0.5 * 2.0, 2.0, -0.5]) + 0.8 * form)
        return norm.pdf(form) * chances.prod()

    expected = 0.9 * quad(density, -9, 9)[0]
    assert truth.rates(["b0", "b1", "b2"], noise)[0] == pytest.approx(expected, abs=1e-4)


def test_what_is_played_agrees_with_the_computed_rate():
    truth = STRONG.drawn(catalogue(), np.random.default_rng(3))
    bugs, rng = [trait.id for trait in catalogue()[:6]], np.random.default_rng(4)
    passed = sum(played(truth, bugs, NOISE, rng).passed for _ in range(4000))
    low, high = wilson(passed, 4000, 0.999)
    assert low < truth.rates(bugs, NOISE)[0] < high


def test_outcomes_that_go_together_widen_the_spread():
    bugs = catalogue()
    together = [Attempt({trait.id: n % 2 == 0 for trait in bugs}) for n in range(10)]
    apart = [
        Attempt({trait.id: (n + b) % 2 == 0 for b, trait in enumerate(bugs)}) for n in range(10)
    ]
    one, other = fit(bugs, together), fit(bugs, apart)
    assert one.spread.mean() > 2 * other.spread.mean()
    ids = [trait.id for trait in bugs[:4]]
    assert one.rates(ids, 0).mean() > 2 * other.rates(ids, 0).mean()


def test_a_bug_nobody_met_borrows_from_the_others_and_is_less_certain():
    bugs = catalogue()
    seen = [Attempt({trait.id: True for trait in bugs[:-1]})] * 10
    chances = fit(bugs, seen).chances([bugs[-2].id, bugs[-1].id], 0)
    assert 0.8 < chances[1].mean() < chances[0].mean()
    assert chances[1].std() > 1.2 * chances[0].std()


def test_noise_acts_on_bugs_with_rows_only():
    posterior = known([1.0, 1.0])
    assert posterior.chances(["b0"], 1)[0] < posterior.chances(["b0"], 0)[0]
    assert posterior.chances(["b1"], 1)[0] == posterior.chances(["b1"], 0)[0]


def test_the_slope_is_learnt_from_two_noises():
    bugs = tuple(Trait(f"b{n}", "k", False, True) for n in range(10))
    same = [Attempt({b.id: n % 2 == 0 for b in bugs}, noise) for noise in (0, 1) for n in range(20)]
    assert fit(bugs, same).slope.mean() < 1.2 < fit(bugs, same[:20]).slope.mean()


def test_what_else_goes_wrong_lowers_the_rate():
    bugs = catalogue(4)
    fine = Attempt({trait.id: True for trait in bugs})
    faults = (Attempt(None), replace(fine, alarmed=True), replace(fine, broke=True))
    whole = fit(bugs, [fine] * 10).clean.mean()
    good, bad = CLEAN
    assert whole == pytest.approx(((good + 10) / (good + bad + 10)) ** 3, abs=0.01)
    for fault in faults:
        assert fit(bugs, [fine] * 5 + [fault] * 5).clean.mean() < whole - 0.15


# The choice.


def test_the_search_finds_what_all_subsets_hold():
    rng = np.random.default_rng(5)
    bugs = catalogue(7)
    posterior = fit(bugs, [played(MIDDLING.drawn(bugs, rng), [b.id for b in bugs], 0, rng)] * 5)
    ids = [trait.id for trait in bugs]
    found = propose(posterior, ids, [0.0])
    every = (c for size in range(1, 8) for c in combinations(ids, size))
    best = max(predict(posterior, c, 0.0).sides.inside for c in every)
    assert found.sides.inside >= best - 0.02


def test_the_target_is_come_near_to():
    truth = known([1.5] * 12, spread=0.3, clean=1.0)
    ids = [trait.id for trait in truth.traits]
    assert propose(truth, ids, [0.0], 0.15).mean < propose(truth, ids, [0.0], 0.35).mean


def test_reach_says_that_all_bugs_are_too_easy_or_each_too_hard():
    strong, weak = known([6.0] * 5), known([-5.0] * 5)
    ids = [trait.id for trait in strong.traits]
    assert reach(strong, ids, [0.0, 0.8]) == (1.0, 0.0)
    assert reach(weak, ids, [0.0, 0.8]) == (0.0, 1.0)


# The proof.


def test_most_proposals_are_in_the_band():
    proof = prove(MIDDLING, ALL_BUGS, 12, seed=7)
    assert len(proof.possible) == 12
    assert proof.inside >= 9
    assert 0.9 < proof.mean(lambda each: each.bugs_covered) < 0.99


def test_proposals_are_in_the_band_where_checks_show_several_bugs():
    proof = prove(MIDDLING, BESIDE, 6, seed=7)
    assert proof.inside >= 4
    assert 0.9 < proof.mean(lambda each: each.bugs_covered) <= 1


def test_a_solver_that_is_sure_of_everything_is_out_of_reach():
    proof = prove(Solver("sure", ((1.0, 8.0, 0.1),)), ALL_BUGS, 3)
    assert not proof.possible
    assert proof.mean(lambda each: each.rate) is None
    assert all(each.proposal.sides.above > 0.8 for each in proof.repetitions)


# Runs.


def attempt(ended):
    return attempt_of(ended, Run(None, CONFIG, (ended,)), TASK)


def test_what_a_trial_says():
    assert attempt(trial(0)).passed
    assert attempt(trial(0, handled=ALLOWED[1:])).handled[ALLOWED[0]] is False
    reported_only = [
        BugResult(id="star_hours", kind="k", clauses=(), fixed=True, reported=False),
        BugResult(id="magnitudes", kind="k", clauses=(), fixed=True, reported=True),
    ]
    mixed = attempt(trial(0, reason="missed_bug").model_copy(update={"bugs": reported_only}))
    assert mixed.handled == {"star_hours": False, "magnitudes": True}
    assert attempt(trial(0, reason="regression")).broke
    assert attempt(trial(0, false_alarms=1)).passed
    assert attempt(trial(0, reason="false_alarm", false_alarms=2)).alarmed


def results(**states):
    """Of bugs, by letters: (r)epaired, (t)old."""
    return [
        BugResult(id=bug, kind="k", clauses=(), fixed="r" in state, reported="t" in state)
        for bug, state in states.items()
    ]


@pytest.mark.parametrize(
    ("bugs", "handled", "doubtful"),
    [
        # One check shows all of these: whose fault it is can't be told.
        (results(star_hours="t", minus_zero="t"), {}, [{"star_hours", "minus_zero"}]),
        (
            results(magnitudes="t", held_points="t", counted_from_one="t", tied_scores="rt"),
            {"tied_scores": True},
            [{"magnitudes", "held_points", "counted_from_one"}],
        ),
        # No check shows two of these.
        (
            results(star_hours="t", magnitudes="t"),
            {"star_hours": False, "magnitudes": False},
            [],
        ),
        # What was not reported was not handled, and would break the check without the other.
        (results(star_hours="t", minus_zero=""), {"minus_zero": False}, []),
        (results(star_hours="rt", minus_zero="r"), {"minus_zero": False}, []),
    ],
)
def test_bugs_that_one_check_shows_are_in_doubt_together(bugs, handled, doubtful):
    said = attempt(trial(0, reason="partial_fix").model_copy(update={"bugs": bugs}))
    assert said.handled == handled
    assert [set(group) for group in said.doubtful] == doubtful
    assert not said.passed


def test_bugs_in_doubt_are_rated_better_than_bugs_that_failed(tmp_path):
    pair = ("star_hours", "minus_zero")
    rest = [bug for bug in ALLOWED if bug not in pair]
    ended = [trial(n) for n in range(6)] + [trial(n, handled=rest) for n in range(6, 10)]
    path = write(tmp_path / "run", ended)
    rated = {bug.id: bug for bug in calibrate(TASK, [read_run(path)]).bugs}
    for bug in pair:
        assert (rated[bug].handled, rated[bug].measured, rated[bug].doubtful) == (6, 6, 4)
        assert 0.6 < rated[bug].mean < 0.9  # by each alone 6 of 10, by both together 8 of 10
    assert "6 of 6 (+4)" in command(path)[1]


@pytest.mark.parametrize("reason", ["no_submission", "out_of_budget", "bad_report"])
def test_a_trial_without_a_submission_says_nothing_of_its_bugs(reason):
    assert attempt(trial(0, bugs=(), reason=reason)).handled is None


@pytest.mark.parametrize("reason", ["notebook_error", "timeout"])
def test_a_notebook_that_did_not_run_says_nothing_of_its_bugs(reason):
    assert attempt(trial(0, handled=(), reason=reason)).handled is None


def test_lost_trials_lower_the_rate_and_leave_the_bugs_alone(tmp_path):
    ended = some_handled(0.9)
    lost = [trial(n, bugs=(), reason="no_submission") for n in range(10, 15)]
    one = calibrate(TASK, [read_run(write(tmp_path / "one", ended))])
    two = calibrate(TASK, [read_run(write(tmp_path / "two", [*ended, *lost]))])
    assert (one.lost, two.lost) == (0, 5)
    assert two.clean < one.clean - 0.1
    for before, after in zip(one.bugs, two.bugs, strict=True):
        assert after.mean == pytest.approx(before.mean, abs=0.02)
        assert after.measured == before.measured


def test_runs_of_other_variants_and_noises_are_pooled(tmp_path):
    few = ALLOWED[:8]
    one = write(tmp_path / "one", some_handled(0.8))
    two = write(tmp_path / "two", [trial(0, few, few)] * 1, bugs=tuple(few), noise=0.8)
    pooled = calibrate(TASK, [read_run(one), read_run(two)])
    assert pooled.trials == 11
    often = {bug.id for bug in pooled.bugs if bug.measured + bug.doubtful == 11}
    assert often == set(few)
    assert [(each.noise, each.passed, each.trials) for each in pooled.fitted][1] == (0.8, 1, 1)


def test_the_table_and_a_command_that_can_be_run(tmp_path):
    path = write(tmp_path / "run", some_handled(0.85))
    status, shown, _ = command(path)
    assert status == 0
    assert "does the model fit?" in shown
    told = json.loads(command(path, "--json")[1])
    proposal = told["proposal"]
    assert proposal["command"] in shown
    assert set(proposal["bugs"]) <= set(ALLOWED)
    assert proposal["inside"] > 0.7
    assert BAND[0] < proposal["mean"] < BAND[1]
    assert proposal["below"] + proposal["inside"] + proposal["above"] == pytest.approx(1)
    assert len(told["bugs"]) == len(TASK.bugs)
    assert told["efficiency"] > 0.01
    assert told["fitted"][0]["passes"][0] <= told["fitted"][0]["passed"]


def test_an_agent_that_handles_everything_needs_harder_bugs(tmp_path):
    _, shown, _ = command(write(tmp_path / "run", [trial(n) for n in range(10)]))
    assert "Harder than anything in the catalogue would be needed, with probability" in shown


def test_an_agent_that_handles_nothing_needs_easier_bugs(tmp_path):
    _, shown, _ = command(write(tmp_path / "run", [trial(n, handled=()) for n in range(10)]))
    assert "Easier than anything in the catalogue would be needed, with probability" in shown


def unusable(tmp_path):
    """What is refused: arguments, and words of the reason."""
    one = write(tmp_path / "one", some_handled(0.5))
    lost = [trial(0, bugs=(), reason="no_submission")]
    infrastructure = [trial(0, bugs=(), outcome="infrastructure")]
    return [
        ([], "give run folders"),
        ([one, "--prove"], "give run folders"),
        ([tmp_path / "none"], "not a run folder"),
        ([write(tmp_path / "empty", [])], "no finished trial"),
        ([write(tmp_path / "lost", lost)], "no finished trial"),
        ([write(tmp_path / "faults", infrastructure)], "no finished trial"),
        ([one, write(tmp_path / "other", [], model="model-b")], "model-a and model-b"),
        ([one, write(tmp_path / "task", [], task="x")], "different tasks"),
        ([write(tmp_path / "unknown", [], task="x")], "x"),
        ([write(tmp_path / "gone", [], bugs=("gone",))], "no longer has: gone"),
        ([one, "--target", "0.7"], "0.7"),
    ]


def test_unusable_input_is_refused_in_one_line(tmp_path):
    for arguments, reason in unusable(tmp_path):
        status, out, err = command(*arguments)
        assert (status, out) == (2, ""), arguments
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert reason in err
