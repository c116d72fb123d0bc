"""The matcher of bug reports: by clause and place, one to one."""

import pytest

from grader.agents.scripted import oracle
from grader.report import match, problems
from grader.submission import ReportError, parse_report
from grader.verdict import ReportEntry
from task_spec.model import ReportRules
from task_spec.registry import get_task
from task_spec.variant import Variant, choose

TASK = get_task("transits")
VARIANT = choose(TASK)
EVERYTHING = Variant(TASK, TASK.bugs)


def entry(clause, cell, quote):
    return ReportEntry(clause=clause, cell=cell, quote=quote, explanation="")


def entries_of(variant):
    return [ReportEntry(**fields) for fields in oracle(variant, 0).report]


@pytest.mark.parametrize("variant", [VARIANT, EVERYTHING], ids=["default", "all bugs"])
def test_a_full_report_matches_every_bug_to_its_own_entry(variant):
    entries = entries_of(variant)
    assert not problems(entries, variant)
    matched = match(entries, variant)
    assert matched.entry_of == {bug.id: i for i, bug in enumerate(variant.bugs)}
    assert matched.false_alarms == ()


@pytest.mark.parametrize("bug", TASK.bugs, ids=lambda bug: bug.id)
def test_another_bugs_entry_does_not_report_this_one(bug):
    others = [e for e, b in zip(entries_of(EVERYTHING), TASK.bugs, strict=True) if b is not bug]
    assert bug.id not in match(others, EVERYTHING).entry_of


def test_right_place_under_the_wrong_clause_is_a_false_alarm():
    (first, *_) = entries_of(VARIANT)
    matched = match([first.model_copy(update={"clause": "P16"})], VARIANT)
    assert matched.entry_of == {}
    assert matched.false_alarms == (0,)


def test_right_clause_in_the_wrong_function_is_a_false_alarm():
    matched = match([entry("P8", "model", "class TransitNet(nn.Module):")], VARIANT)
    assert matched.false_alarms == (0,)


def test_the_clause_of_a_bug_that_was_not_planted_is_a_false_alarm():
    variant = Variant(TASK, (TASK.bug("mask_cut"),))
    matched = match([entry("P3", "prepare", "def relative_flux(flux, unit):")], variant)
    assert matched.false_alarms == (0,)


def test_a_second_entry_for_one_bug_is_neither_match_nor_false_alarm():
    (first, *_) = entries_of(VARIANT)
    matched = match([first, first], VARIANT)
    assert len(matched.entry_of) == 1
    assert matched.false_alarms == ()


def test_any_line_of_the_function_will_do_and_white_space_does_not_matter():
    quotes = [
        "def train_step(model, optimizer, batches):",
        "optimizer.zero_grad( )",
        "loss.backward()",
    ]
    for quote in quotes:
        assert match([entry("P8", "step", quote)], VARIANT).entry_of == {"mean_of_means": 0}


def test_several_adjacent_lines_can_be_quoted():
    quote = "optimizer.zero_grad()\n    total = 0.0\n\n    for b in batches:"
    assert match([entry("P8", "step", quote)], VARIANT).entry_of == {"mean_of_means": 0}


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (entry("P99", "step", "optimizer.zero_grad()"), "there is no clause"),
        (entry("P8", "nowhere", "optimizer.zero_grad()"), "there is no cell"),
        (entry("P8", "step", "optimizer.zero_gradient()"), "does not stand in cell"),
        (entry("P8", "step", "for"), "at least 6 characters"),
        (entry("P8", "step", "\n".join(["x = 1"] * 13)), "at most 12 lines"),
    ],
)
def test_an_entry_that_points_nowhere_is_named_with_its_problem(wrong, advice):
    (problem,) = problems([wrong], VARIANT)
    assert problem.startswith("entry 0:")
    assert advice in problem


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("{", "no valid JSON"),
        ("{}", "must be a list"),
        ({"bug_report": []}, "must be a list"),
        ([1], "entry 0"),
        ([{"clause": "P1"}], "fields: clause, cell, quote"),
        ([{"clause": "P1", "cell": "a", "quote": "b", "extra": 1}], "entry 0.extra"),
        ([{"clause": 1, "cell": "a", "quote": "b"}], "entry 0.clause"),
        ([{"clause": "P1", "cell": "a", "quote": "b"}] * 17, "at most 16"),
        ("[" * 100_000, "no valid JSON"),
        ("x" * 300_000, "more than 200 kB"),
        (None, "must be a list"),
    ],
)
def test_a_malformed_report_is_refused_in_words(value, advice):
    with pytest.raises(ReportError, match=advice):
        parse_report(value, ReportRules())


def test_a_report_of_nothing_is_well_formed_and_misses_everything():
    assert parse_report("[]", ReportRules()) == ()
    assert match((), VARIANT).entry_of == {}
