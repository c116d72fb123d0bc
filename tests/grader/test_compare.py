"""Two runs compared: `python -m grader.compare`, and what it is built on."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binom

from grader.comparison import compare
from grader.records import RunConfig, Trial
from grader.run_folder import read_run
from grader.summary import summarise
from grader.verdict import BugResult
from tests.command_line import refused

CONFIG = RunConfig(
    task="transits",
    variant="default",
    bugs=("one", "two", "three"),
    variant_seed=0,
    digest="0123456789abcdef",
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


def trial(number, outcome="failed", handled=(), bugs=CONFIG.bugs, **changes):
    """A trial: the bugs ``handled`` were repaired and reported, the others reported only."""
    facts = {
        "trial": number,
        "outcome": outcome,
        "failure_reason": "missed_bug" if outcome == "failed" else None,
        "detail": "",
        "reward": None if outcome == "infrastructure" else 0.5,
        "bugs": [
            BugResult(id=bug, kind="k", clauses=("P0",), fixed=bug in handled, reported=True)
            for bug in bugs
        ],
        "false_alarms": 0,
        "turns": 1,
        "tool_calls": 1,
        "tool_errors": 0,
        "model_errors": 0,
        "usage": {"input": 100, "output": 10, "cache_read": 1000, "cache_write": 0},
        "cost": 0.5,
        "kernel_seconds": 1.0,
        "grade_seconds": 1.0,
        "seconds": 2.0,
        "confined": True,
    }
    return Trial.model_validate(facts | changes)


def write(path, ended, **changes):
    path.mkdir()
    config = CONFIG.model_copy(update=changes)
    (path / "config.json").write_text(config.model_dump_json())
    lines = "".join(each.model_dump_json() + "\n" for each in ended)
    (path / "trials.jsonl").write_text(lines)
    return path


def outcomes(passed, trials):
    return [trial(n, "passed" if n < passed else "failed") for n in range(trials)]


@pytest.fixture
def pair(tmp_path):
    """Makes two runs of so many passes, and compares them."""

    def make(first, second, changes=None):
        one = write(tmp_path / "one", outcomes(*first))
        two = write(tmp_path / "two", outcomes(*second), **(changes or {}))
        return compare(read_run(one), read_run(two))

    return make


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "grader.compare", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_interval_of_the_difference_is_newcombes(pair):
    """The first example of Newcombe 1998, table II, method 10: 56 of 70 less 48 of 80."""
    comparison = pair((48, 80), (56, 70))
    assert comparison.difference == pytest.approx(0.2)
    assert comparison.difference_ci95 == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second"), [((3, 10), (7, 8)), ((2, 10), (5, 10)), ((0, 10), (4, 12))]
)
def test_the_test_is_barnards_enumerated(pair, first, second):
    assert pair(first, second).p_value == pytest.approx(barnard(*first, *second), abs=1e-4)


def barnard(a, n, b, m):
    """The largest probability, over common rates, of a table as extreme as the one observed."""
    i, j = np.arange(n + 1)[:, None], np.arange(m + 1)[None]

    def score(x, y):
        pooled = (x + y) / (n + m)
        variance = pooled * (1 - pooled) * (1 / n + 1 / m)
        return np.abs(x / n - y / m) / np.sqrt(np.where(variance > 0, variance, np.inf))

    extreme = score(i, j) >= score(a, b) - 1e-9
    rates = np.linspace(0, 1, 2001)
    return max((binom.pmf(i, n, p) * binom.pmf(j, m, p))[extreme].sum() for p in rates)


def test_equal_runs_do_not_differ(pair):
    comparison = pair((3, 10), (3, 10))
    assert comparison.difference == 0
    assert comparison.p_value == pytest.approx(1)
    assert comparison.unlike == {}
    assert comparison.cautions == ()


def test_bugs_are_compared_by_trials_that_handled_them_and_corrected_by_holm(tmp_path):
    one = write(tmp_path / "one", [trial(n, handled=("two",)) for n in range(10)])
    two = write(
        tmp_path / "two", [trial(n, handled=("one", "two")[: 1 + n // 5]) for n in range(10)]
    )
    bugs = {bug.id: bug for bug in compare(read_run(one), read_run(two)).bugs}
    assert (bugs["one"].first.handled, bugs["one"].second.handled) == (0, 10)
    assert (bugs["two"].first.handled, bugs["two"].second.handled) == (10, 5)
    assert (bugs["one"].difference, bugs["two"].difference) == (1, -0.5)
    assert bugs["one"].p_value < bugs["two"].p_value < bugs["three"].p_value
    assert bugs["one"].p_holm == pytest.approx(3 * bugs["one"].p_value)
    assert bugs["two"].p_holm == pytest.approx(2 * bugs["two"].p_value)
    assert bugs["three"].p_holm == bugs["three"].p_value == pytest.approx(1)


def test_a_bug_counts_as_handled_only_if_repaired_and_reported(tmp_path):
    silent = BugResult(id="one", kind="k", clauses=("P0",), fixed=True, reported=False)
    both = silent.model_copy(update={"reported": True})
    trials = [trial(0, bugs=[]), trial(1).model_copy(update={"bugs": (silent,)})]
    one = write(tmp_path / "one", [*trials, trial(2).model_copy(update={"bugs": (both,)})])
    first = compare(read_run(one), read_run(one)).bugs[0].first
    assert (first.handled, first.measured, first.rate) == (1, 2, 0.5)


def test_repairs_in_doubt_do_not_count(tmp_path):
    ended = [trial(0, handled=("one",)), trial(1), trial(2)]
    doubtful = tuple(b.model_copy(update={"in_doubt": b.id == "one"}) for b in ended[2].bugs)
    ended[2] = ended[2].model_copy(update={"bugs": doubtful})
    run = read_run(write(tmp_path / "run", ended))
    one = {bug.id: bug.first for bug in compare(run, run).bugs}["one"]
    assert (one.handled, one.measured, one.rate) == (1, 2, 0.5)
    rates = summarise(run)["bugs"]
    assert (rates["one"]["trials"], rates["one"]["in_doubt"], rates["one"]["fixed"]) == (3, 1, 0.5)
    assert rates["one"]["reported"] == 1
    assert (rates["two"]["in_doubt"], rates["two"]["handled"]) == (0, 0)


def test_bugs_of_one_run_only_are_shown_as_such_and_not_tested(tmp_path):
    one = write(tmp_path / "one", [trial(n) for n in range(4)])
    bugs = ("two", "four")
    two = write(tmp_path / "two", [trial(n, bugs=bugs) for n in range(4)], bugs=bugs)
    comparison = compare(read_run(one), read_run(two))
    found = {bug.id: bug for bug in comparison.bugs}
    assert list(found) == ["one", "two", "three", "four"]
    assert found["one"].second is None
    assert found["four"].first is None
    for only in ("one", "three", "four"):
        assert (found[only].difference, found[only].p_value, found[only].p_holm) == (None,) * 3
    assert found["two"].p_holm == found["two"].p_value
    assert comparison.unlike == {"bugs": (("one", "three"), ("four",))}
    shown = run(one, two).stdout
    assert "not planted" in shown
    assert "only here: one, three" in shown


def test_only_the_last_attempt_counts_and_faults_of_the_machinery_do_not(tmp_path):
    fault = {"failure_reason": None, "bugs": [], "usage": {}, "cost": 0.1}
    trials = [
        trial(0, "infrastructure", attempt=1, **fault),
        trial(1, "passed"),
        trial(0, "failed", attempt=2, failure_reason="regression"),
        trial(2, "infrastructure", **fault),
    ]
    one = write(tmp_path / "one", trials)
    side = compare(read_run(one), read_run(one)).first
    assert (side.passed, side.trials, side.infrastructure) == (1, 2, 1)
    assert side.failure_reasons == {"regression": 1}
    assert side.effective_reasons == pytest.approx(1)
    assert side.cost == pytest.approx(0.5)
    assert side.tokens == {
        "input": 100, "output": 10, "cache_read": 1000, "cache_write": 0, "all": 1110,
    }  # fmt: skip


def test_a_mean_cost_is_undefined_where_one_is_unknown(tmp_path):
    one = write(tmp_path / "one", [trial(0), trial(1, cost=None)])
    assert compare(read_run(one), read_run(one)).first.cost is None


@pytest.mark.parametrize(
    ("changes", "unlike", "caution"),
    [
        ({"model": "model-b"}, {"model": ("model-a", "model-b")}, None),
        ({"variant": "other"}, {"variant": ("default", "other")}, "variant"),
        ({"digest": "f" * 16}, {"digest": (CONFIG.digest, "f" * 16)}, "digest"),
        ({"until_decided": True}, {"until_decided": (False, True)}, "fixed beforehand"),
        ({"bugs": ("three", "one", "two")}, {}, None),
        ({"started": "2026-02-02T00:00:00", "trials": 20}, {}, None),
    ],
)
def test_settings_that_differ_are_told_and_cautioned_of(pair, changes, unlike, caution):
    comparison = pair((1, 10), (2, 10), changes)
    assert comparison.unlike == unlike
    assert len(comparison.cautions) == (caution is not None)
    assert caution is None or caution in comparison.cautions[0]


def test_without_graded_trials_it_is_undefined_not_zero(tmp_path):
    one, two = write(tmp_path / "one", outcomes(2, 4)), write(tmp_path / "two", [])
    comparison = compare(read_run(one), read_run(two))
    side = comparison.second
    assert (side.passed, side.trials) == (0, 0)
    undefined = (side.pass_rate, side.ci95, side.effective_reasons, side.cost, side.tokens)
    assert undefined == (None,) * 5
    assert (comparison.difference, comparison.difference_ci95, comparison.p_value) == (None,) * 3
    assert comparison.bugs[0].second.rate is None
    assert comparison.bugs[0].p_holm is None
    done = run(one, two)
    assert done.returncode == 0, done.stderr
    assert "B less A: undefined" in done.stdout


def test_the_command_shows_the_figures(tmp_path):
    one = write(tmp_path / "[red]one", outcomes(2, 10))
    two = write(tmp_path / "two", outcomes(6, 10), model="[b]model")
    done = run(one, two)
    assert done.returncode == 0, done.stderr
    assert f"A: {one}" in done.stdout
    for words in ("2 of 10", "6 of 10", "[b]model", "missed_bug", "$0.50", "1,110"):
        assert words in done.stdout
    assert "pass rate, B less A: +40 points (95% interval -2 to +67)" in done.stdout


def test_json_holds_all_of_it(tmp_path):
    one, two = write(tmp_path / "one", outcomes(2, 10)), write(tmp_path / "two", outcomes(6, 10))
    done = run(one, two, "--json")
    assert done.returncode == 0, done.stderr
    expected = compare(read_run(one), read_run(two)).model_dump(mode="json")
    assert json.loads(done.stdout) == expected


def test_what_is_no_run_ends_in_one_line_and_status_2(tmp_path):
    good, bad = write(tmp_path / "one", outcomes(1, 2)), tmp_path / "bad"
    bad.mkdir()
    (bad / "config.json").write_text("{")
    for arguments, advice in (
        ((good, tmp_path / "none"), "none is not a run folder"),
        ((good, bad), "bad"),
        ((good,), "SECOND"),
    ):
        assert advice in refused("grader.compare", *arguments)
