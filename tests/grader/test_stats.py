"""Statistics of a run, and the rule that ends one: against enumeration, integrals, simulation."""

import heapq
import subprocess
import sys
from functools import cache
from itertools import combinations
from math import comb, exp, log

import numpy as np
import pytest
from scipy.integrate import quad

from grader import decide
from grader.decide import LEAST, PROBABILITY, first_settled, operating_characteristic, settled
from grader.stats import (
    BAND,
    band_probabilities,
    credible,
    effective_reasons,
    p_in_band,
    pass_at_k,
    wilson,
)

COUNTS = [(0, 1), (0, 10), (2, 10), (10, 10), (27, 100)]


def mass(passed, trials, low, high):
    """Probability of the rates between low and high, integrated from Bayes' rule as it stands."""

    def likelihood(p):
        return p**passed * (1 - p) ** (trials - passed)

    return quad(likelihood, low, high)[0] / quad(likelihood, 0, 1)[0]


@pytest.mark.parametrize(("passed", "trials"), COUNTS)
def test_credible_interval_leaves_the_same_mass_on_either_side(passed, trials):
    low, high = credible(passed, trials, 0.9)
    assert mass(passed, trials, 0, low) == pytest.approx(0.05, abs=1e-6)
    assert mass(passed, trials, high, 1) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize(("passed", "trials"), COUNTS)
def test_band_probabilities_are_the_integrals_and_sum_to_one(passed, trials):
    sides = band_probabilities(passed, trials)
    assert sides.below == pytest.approx(mass(passed, trials, 0, BAND[0]), abs=1e-8)
    assert sides.above == pytest.approx(mass(passed, trials, BAND[1], 1), abs=1e-8)
    assert sides.inside == p_in_band(passed, trials)
    assert sum(sides) == pytest.approx(1)


def test_pass_at_k_is_the_share_of_choices_that_hold_a_pass():
    trials = [True] * 3 + [False] * 5
    for k in range(1, 9):
        choices = list(combinations(trials, k))
        assert pass_at_k(3, 8, k) == pytest.approx(sum(map(any, choices)) / len(choices))


def test_pass_at_k_is_right_on_average():
    """Over all that ten trials may give, it averages to the probability that k trials hold one."""
    n, p = 10, 0.23
    for k in (1, 3, 10):
        mean = sum(comb(n, c) * p**c * (1 - p) ** (n - c) * pass_at_k(c, n, k) for c in range(11))
        assert mean == pytest.approx(1 - (1 - p) ** k)


def test_effective_number_of_reasons():
    assert effective_reasons([4, 4, 4]) == pytest.approx(3)
    assert effective_reasons([7]) == pytest.approx(1)
    assert effective_reasons([3, 0, 1]) == effective_reasons([3, 1])
    assert effective_reasons([3, 1]) == pytest.approx(exp(0.75 * log(4 / 3) + 0.25 * log(4)))


def test_what_is_undefined_is_none():
    assert credible(0, 0) is None
    assert band_probabilities(0, 0) is None
    assert pass_at_k(0, 0, 1) is None
    assert pass_at_k(2, 4, 5) is None
    assert pass_at_k(0, 4, 4) == 0
    assert effective_reasons([]) is None
    assert effective_reasons([0, 0]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: credible(3, 2),
        lambda: band_probabilities(-1, 2),
        lambda: pass_at_k(3, 2, 1),
        lambda: pass_at_k(1, 2, 0),
        lambda: effective_reasons([1, -1]),
        lambda: settled(3, 2),
        lambda: operating_characteristic([1.2], 20),
        lambda: operating_characteristic([0.2], 0),
    ],
)
def test_impossible_counts_are_refused(wrong):
    with pytest.raises(ValueError, match=r"can't be|at least|lie between"):
        wrong()


# The rule of --until-decided.

IN_FIVE, OUT_FIVE = (
    np.linspace(0.15, 0.35, 41),
    [*np.linspace(0, 0.05, 11), *np.arange(45, 101) / 100],
)
IN_TEN, OUT_TEN = np.linspace(0.20, 0.30, 21), np.arange(50, 101) / 100


@cache
def answer(passed, trials):
    return settled(passed, trials)


def played(rate, most, runs, seed):
    """Runs simulated one trial after the other: answers, graded trials and passes at the end."""
    outcomes = np.random.default_rng(seed).random((runs, most)) < rate
    passes = outcomes.cumsum(axis=1)
    ends = []
    for row in passes:
        n = next((n for n in range(1, most + 1) if answer(int(row[n - 1]), n)), most)
        ends.append((answer(int(row[n - 1]), n), n, int(row[n - 1])))
    return ends


def test_the_rule_is_what_the_posterior_says_from_ten_trials_on():
    for trials in range(1, 61):
        for passed in range(trials + 1):
            sides = band_probabilities(passed, trials)
            expected = None
            if trials >= LEAST and sides.inside >= PROBABILITY:
                expected = "inside"
            elif trials >= LEAST and sides.below + sides.above >= PROBABILITY:
                expected = "outside"
            assert answer(passed, trials) == expected
    assert settled(0, 0) is None
    assert settled(9, 9) is None
    assert settled(10, 10) == "outside"


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.25, 0.35, 0.45, 0.8])
def test_the_exact_characteristic_is_what_simulated_runs_do(rate):
    runs, most = 4000, 60
    ends = played(rate, most, runs, seed=1)
    (exact,) = operating_characteristic([rate], most)
    for name, share in (
        ("inside", exact.inside),
        ("outside", exact.outside),
        (None, exact.undecided),
    ):
        error = 4 * np.sqrt(share * (1 - share) / runs) + 1e-9
        assert np.mean([end[0] == name for end in ends]) == pytest.approx(share, abs=error)
    lengths = [end[1] for end in ends]
    assert np.mean(lengths) == pytest.approx(exact.trials, abs=4 * np.std(lengths) / 63 + 1e-9)
    assert exact.inside + exact.outside + exact.undecided == pytest.approx(1)


@pytest.mark.parametrize("most", [10, 30, 100, 1000])
def test_five_points_from_an_edge_fewer_than_one_answer_in_twenty_is_wrong(most):
    rows = operating_characteristic([*IN_FIVE, *OUT_FIVE], most)
    assert max(row.wrong for row in rows) < 0.0435
    assert max(rows, key=lambda row: row.wrong).rate == pytest.approx(0.35)
    rows = operating_characteristic([*IN_TEN, *OUT_TEN], most)
    assert max(row.wrong for row in rows) < 0.0115


def test_a_probability_of_95_percent_would_not_hold_it(monkeypatch):
    monkeypatch.setattr(decide, "PROBABILITY", 0.95)
    (row,) = operating_characteristic([0.35], 100)
    assert row.wrong == pytest.approx(0.08, abs=0.005)


@pytest.mark.parametrize("most", [60, 200])
def test_over_uniform_rates_the_answers_are_wrong_no_more_often_than_the_posterior_says(most):
    rates = (np.arange(1000) + 0.5) / 1000
    rows = operating_characteristic(list(rates), most)
    within = (rates >= BAND[0]) & (rates <= BAND[1])
    inside = np.array([row.inside for row in rows])
    outside = np.array([row.outside for row in rows])
    assert inside[~within].sum() <= (1 - PROBABILITY) * inside.sum()
    assert outside[within].sum() <= (1 - PROBABILITY) * outside.sum()


def test_at_an_edge_nothing_is_promised():
    for most, worst in ((100, 0.14), (1000, 0.24)):
        rows = operating_characteristic(BAND, most)
        assert max(max(row.inside, row.outside) for row in rows) == pytest.approx(worst, abs=0.006)
        assert all(row.undecided > 0.5 for row in rows)
        assert all(row.wrong == row.outside for row in rows)


def test_what_a_run_that_stopped_early_says_of_its_rate_is_off_as_claimed():
    covered = [
        low <= 0.40 <= high
        for _, n, passed in played(0.40, 100, 4000, seed=2)
        for low, high in [cached_wilson(passed, n)]
    ]
    assert np.mean(covered) == pytest.approx(0.77, abs=0.03)
    rates = [passed / n for _, n, passed in played(0.45, 100, 4000, seed=3)]
    assert np.mean(rates) == pytest.approx(0.49, abs=0.01)


@cache
def cached_wilson(passed, trials):
    return wilson(passed, trials)


def test_trials_are_taken_in_order_of_their_numbers_not_of_their_ends():
    ended = dict.fromkeys(range(1, 15), "passed")
    assert first_settled(ended) is None
    assert first_settled(ended | {0: "failed"}) == "outside"
    assert first_settled({0: "failed"} | ended) == "outside"
    assert first_settled({}) is None


def test_infrastructure_faults_are_no_trials():
    ended = dict.fromkeys(range(9), "passed") | {9: "infrastructure"}
    assert first_settled(ended) is None
    assert first_settled(ended | {10: "passed"}) == "outside"


def test_what_ends_after_the_answer_does_not_change_it():
    ended = dict.fromkeys(range(10), "passed") | dict.fromkeys(range(10, 40), "failed")
    assert settled(10, 40) is None
    assert first_settled(ended) == "outside"


def test_in_order_of_ending_the_rule_would_err_as_often_as_claimed():
    """Eight trials at a time, failures three times as long as passes, and a true rate of 0.35."""
    random, runs = np.random.default_rng(4), 2000
    wrong = 0
    for _ in range(runs):
        outcomes = random.random(100) < 0.35
        lengths = np.where(outcomes, 1, 3) * random.uniform(0.8, 1.2, 100)
        wrong += as_they_end(outcomes.tolist(), lengths.tolist()) == "outside"
    assert wrong / runs == pytest.approx(0.16, abs=0.03)


def as_they_end(outcomes, lengths):
    under_way = [(lengths[number], number) for number in range(8)]
    heapq.heapify(under_way)
    waiting, passed = iter(range(8, len(outcomes))), 0
    for ended in range(1, len(outcomes) + 1):
        time, number = heapq.heappop(under_way)
        passed += outcomes[number]
        if answer(passed, ended):
            return answer(passed, ended)
        for following in [next(waiting, None)]:
            if following is not None:
                heapq.heappush(under_way, (time + lengths[following], following))
    return None


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "grader.decide", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_prints_the_characteristic_as_a_markdown_table():
    done = command("--most", "20")
    assert done.returncode == 0, done.stderr
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    rows = {row[0]: row[1:] for row in table if row}
    (exact,) = operating_characteristic([0.60], 20)
    ends = (exact.inside, exact.outside, exact.undecided, exact.wrong)
    assert rows["0.60"] == [*(f"{100 * end:.1f}%" for end in ends), f"{exact.trials:.0f}"]


def test_the_command_refuses_a_maximum_for_which_nothing_was_computed():
    done = command("--most", "1001")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "--most" in done.stderr
