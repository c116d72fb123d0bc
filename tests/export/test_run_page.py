"""The page of a run: complete, honest about what is missing, and safe whatever a model wrote."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from html_page import Page
from sample_episode import episode
from sample_run import (
    BUGS,
    CONFIG,
    TRIALS,
    bugs,
    fault,
    trial,
    write_killed,
    write_parts,
    write_run,
)
from sample_trial import write_transcript

from grader.export import html
from grader.export.__main__ import main
from grader.export.load import RunError, load_trial, trial_numbers
from grader.export.run_page import render, write
from grader.export.run_reading import read
from grader.run_folder import read_run
from grader.summary import summarise

EVIL = "</td></table></script><script>alert(1)</script><img src=x onerror=alert(1)>'\"{{ 7*7 }}"


def markup(run: Path) -> str:
    return render(read(run), trial_numbers(run))


def shown(run: Path) -> Page:
    """The page without its script, whose words nobody sees."""
    parsed = Page(re.sub(r"<script>.*?</script>", "", markup(run), count=1, flags=re.DOTALL))
    assert parsed.open == []
    return parsed


def text_of(run: Path) -> str:
    return " ".join(shown(run).text.split())


def section(run: Path, name: str) -> str:
    """The text of one section."""
    found = re.search(rf'<section id="{name}".*?</section>', markup(run), re.DOTALL)
    assert found is not None
    return " ".join(Page(found[0]).text.split())


def row(run: Path, number: int) -> str:
    """The markup of one trial's row."""
    rows = re.findall(r"<tr data-outcome=.*?</tr>", markup(run), re.DOTALL)
    return next(each for each in rows if f'class="num" data-value="{number}"' in each)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Twelve trials that ended in every way, one killed, one never begun."""
    run = write_run(tmp_path / "pilot")
    write_killed(run, 12)
    return run


def test_the_heading_says_what_was_run(sample: Path) -> None:
    text = text_of(sample)
    assert "Run pilot 3 of 11 trials passed" in text
    for fact in ["Task transits", "Variant transits, 8 bugs", "Agent claude", "Model claude-x"]:
        assert fact in text
    for fact in ["Seed 7", "Started 2026-03-01 09:30+01:00", "Version 0.1.0"]:
        assert fact in text
    assert "Confinement confined bubblewrap" in text
    assert "Not confined." not in text


def test_a_run_that_was_not_confined_says_so_loudly(tmp_path: Path) -> None:
    free = write_run(
        tmp_path / "free", config=CONFIG.model_copy(update={"confined": False, "sandbox": "none"})
    )
    assert "Not confined. Kernels ran without a sandbox" in text_of(free)
    one = write_run(tmp_path / "one", [trial(0, None, "b"), trial(1, None, "b", confined=False)])
    assert "Not confined." in text_of(one)


@pytest.mark.parametrize(
    ("played", "closing", "says"),
    [
        (TRIALS, {}, "Under way, or killed: 2 trials not run or not ended."),
        (TRIALS, {"stopped": "interrupted"}, "Stopped: interrupted; 2 trials not run"),
        (TRIALS, {"stopped": "settled: inside"}, "Finished early: settled: inside; 2 trials"),
        (TRIALS, {"stopped": ["a list"]}, "Stopped: 2 trials not run or not ended."),
        ([trial(n, None, "b") for n in range(14)], {}, "Finished."),
        ([fault(0, "x"), *(trial(n, None, "b") for n in range(1, 14))], {}, "can be tried again."),
    ],
)
def test_whether_it_is_finished(tmp_path: Path, played: list, closing: dict, says: str) -> None:
    if closing:
        closing = {"trials": 11, "infrastructure": 1, **closing}
    assert says in text_of(write_run(tmp_path / "run", played, closing=closing or None))


def test_the_summary_of_an_earlier_part_of_the_run_is_not_believed(tmp_path: Path) -> None:
    old = {"trials": 3, "infrastructure": 0, "stopped": "interrupted"}
    assert "Under way, or killed" in text_of(write_run(tmp_path / "run", TRIALS, closing=old))


def test_the_rate_and_its_interval_in_words_and_drawn(sample: Path) -> None:
    low, high = summarise(read_run(sample))["ci95"]
    text = section(sample, "rate")
    assert "3 of 11 graded trials passed: 27%. The 95% interval (Wilson) is 10% to 57%." in text
    assert "It reaches beyond the band of 10% to 40%." in text
    drawn = markup(sample)
    assert f'class="interval" x1="{100 * low:.2f}%" x2="{100 * high:.2f}%"' in drawn
    assert f'class="rate" cx="{300 / 11:.2f}%"' in drawn
    assert 'class="band" x="10.00%" width="30.00%"' in drawn


@pytest.mark.parametrize(
    ("passed", "says"),
    [(100, "It lies within the band"), (380, "outside of the band"), (0, "outside of the band")],
)
def test_where_the_interval_lies(tmp_path: Path, passed: int, says: str) -> None:
    trials = [trial(n, None if n < passed else "timeout") for n in range(400)]
    assert says in section(write_run(tmp_path / "run", trials), "rate")


def test_on_which_side_of_the_band_the_true_rate_lies(sample: Path, tmp_path: Path) -> None:
    below, inside, above = (f"{100 * p:.0f}%" for p in _sides(sample))
    says = f"Below 10% {below} In the band {inside} Above 40% {above}"
    assert says in section(sample, "rate")
    sure = write_run(tmp_path / "sure", [trial(n, None, "b") for n in range(30)])
    assert "Below 10% < 1% In the band < 1% Above 40% > 99%" in section(sure, "rate")


def _sides(run: Path) -> list[float]:
    sides = summarise(read_run(run))["p_below_in_above"]
    assert sum(sides) == pytest.approx(1)
    return sides


def test_a_known_rate_is_drawn(tmp_path: Path) -> None:
    told = {"trials": 11, "infrastructure": 1, "known_pass_rate": 0.27}
    run = write_run(tmp_path / "run", TRIALS, closing=told)
    assert "The true rate of this agent is known: 27%." in section(run, "rate")
    assert 'class="known" x1="27.00%"' in markup(run)


def test_failure_reasons_with_counts(sample: Path) -> None:
    text = section(sample, "reasons")
    assert "missed bug 3" in text
    for reason in ["partial fix", "out of budget", "false alarm", "notebook error", "regression"]:
        assert f"{reason} 1" in text
    # exp of the entropy of 3/8 and five times 1/8
    assert "Effective number of reasons: 5.3" in text
    assert re.findall(r'<rect width="([\d.]+)%"', markup(sample))[:2] == ["100.00", "33.33"]


def test_each_bug_in_each_trial(sample: Path) -> None:
    cells = dict(re.findall(r'<td title="([a-z-]+, trial \d+): ([a-z ]+)">', markup(sample)))
    assert len(cells) == len(BUGS) * 13
    assert cells["test-leak, trial 0"] == "reported only"
    assert cells["threshold-on-test, trial 0"] == "repaired only"
    assert cells["micro-batches, trial 0"] == "repaired and reported"
    assert cells["augment-eval, trial 0"] == "neither"
    assert {cells[f"loss-axis, trial {n}"] for n in (5, 7, 12)} == {"not measured"}


def test_what_became_of_a_bug_is_told_in_shape_and_words_too(sample: Path) -> None:
    uses = set(re.findall(r'<use href="#(symbol-[a-z]+)"/>', markup(sample)))
    shapes = dict(re.findall(r'<symbol id="([a-z-]+)"[^>]*>(.*?)</symbol>', markup(sample)))
    assert {f"symbol-{kind}" for kind in ("both", "repaired", "reported", "neither")} <= uses
    assert uses <= shapes.keys()
    assert len({re.sub(r'class="[^"]*"', "", shape) for shape in shapes.values()}) == len(shapes)
    legend = section(sample, "bugs")
    assert "repaired and reported repaired only reported only neither" in legend
    assert "in doubt: another bug's check failed not measured" in legend


def test_a_repair_in_doubt_is_shown_as_such_and_left_out_of_the_rates(tmp_path: Path) -> None:
    trials = [trial(0, None, "bb"), trial(1, "partial_fix", "dd"), trial(2, "partial_fix", "rb")]
    page = write_run(tmp_path / "run", trials)
    assert 'trial 1: in doubt: another bug&#39;s check failed"' in markup(page)
    assert '<use href="#symbol-doubtful"/>' in markup(page)
    # Repaired, reported, both.
    assert re.search(rf"{BUGS[0]} .*? 50% 100% 50%", section(page, "bugs"))


def test_the_row_of_a_bug_ends_with_its_rates(sample: Path) -> None:
    assert re.search(r"threshold-on-test .* 90% 60% 60% 31% to 83% stale", section(sample, "bugs"))


def test_bugs_have_the_titles_of_the_answer_key(sample: Path) -> None:
    write_parts(sample, [2])
    assert "ema-buffers Moving average without buffers" in section(sample, "bugs")


def test_what_it_cost(sample: Path) -> None:
    summary = summarise(read_run(sample))
    text = section(sample, "spent")
    assert "Of all 13 attempts that ended" in text
    assert f"Cost ${summary['cost']:.2f} ${summary['cost'] / 11:.2f} a graded trial" in text
    assert "Failed by a tool 1 Failed by the model 18 Repeated attempts 1" in text
    assert "input 11,700 output 322,000 cache read 10,530,000 cache write 0 all" in text
    assert "4 1 agent: the API answered 529 (overloaded) $1.44" in text


def test_the_row_of_a_trial(sample: Path) -> None:
    text = " ".join(Page(row(sample, 2)).text.split())
    assert text.startswith("2 failed missed bug not reported: ema-buffers, threshold-on-test")
    assert text.endswith("0.6667 6 of 8 2 20 35 0 833,300 $0.92 16 min 22 s")
    assert "attempt 2" in Page(row(sample, 4)).text


def test_what_is_undefined_is_a_dash_that_says_why_and_never_zero(sample: Path) -> None:
    for number in (7, 12):  # of the machinery, and killed
        dashes = re.findall(
            r'<td class="num"><span class="none" title="(.+?)">–', row(sample, number)
        )
        why = ["Undefined: not graded", *["Undefined: nothing was measured"] * 2]
        assert dashes[:3] == why
    # A trial without a submission has a reward, and nothing to find its bugs in.
    text = " ".join(Page(row(sample, 5)).text.split())
    assert text.endswith("are spent 0 – – 23 41 1 835,400 $1.05 13 min 08 s")
    assert "The transcript breaks off here: the trial was killed." in row(sample, 12)
    assert "unfinished" in row(sample, 12)


def test_a_trial_that_was_begun_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [fault(0, "no kernel"), fault(1, "no network")])
    (run / "attempts" / "000-1").mkdir(parents=True)
    again = "Another attempt is under way, or was killed. Of the last that ended: no kernel"
    assert again in row(run, 0)
    assert "Another attempt" not in row(run, 1)


def test_unknown_costs_and_no_tokens(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [trial(0, None, "b", usage={}, cost=None)])
    assert "Cost – Time" in section(run, "spent")
    assert "Tokens None were used." in section(run, "spent")


def test_a_trial_links_to_its_page_where_there_is_one(sample: Path) -> None:
    page = Page(render(read(sample), [1, 12]))
    targets = {link["href"] for link in page.all("a") if not (link["href"] or "").startswith("#")}
    assert targets == {"trial-001.html", "trial-012.html"}


def test_the_page_of_a_trial_links_back_where_there_is_a_page_of_the_run(run: Path) -> None:
    alone = html.write(load_trial(run, 0), run).read_text()
    assert "index.html" not in alone
    assert write(run, [0], run) == run / "index.html"
    assert '<a href="index.html">pilot</a>' in html.write(load_trial(run, 0), run).read_text()


def test_only_our_script_may_run_and_nothing_is_loaded(sample: Path) -> None:
    text = markup(sample)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == text.count("<script") == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}';" in text
    assert not re.search(r"url\(|@import|\bsrc=|https?:", text)


def test_the_page_is_well_made(sample: Path) -> None:
    page = shown(sample)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [link["href"] or "" for link in page.all("a")]
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)


def test_hostile_values_stay_text(tmp_path: Path) -> None:
    evil_bug = bugs("b")[0].model_copy(update={"id": EVIL})
    config = dict.fromkeys(("task", "variant", "agent", "model", "sandbox", "started"), EVIL)
    config |= {"version": EVIL, "bugs": (EVIL, *BUGS)}
    trials = [
        fault(0, EVIL),
        trial(0, "missed_bug", bugs=(evil_bug,), detail=EVIL + "\x00\x1b[31m\u202e", attempt=2),
        trial(1, "missed_bug", detail=f"{EVIL} " * 5000),
    ]
    told = {"trials": 2, "infrastructure": 0, "stopped": EVIL}
    run = write_run(tmp_path / 'a"<b>&', trials, CONFIG.model_copy(update=config), closing=told)
    write_killed(run, 2)
    (run / "trial-002" / "planted.json").write_text(json.dumps([{"id": EVIL, "title": EVIL}]))
    page = shown(run)
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "script", "b&", "iframe"})
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") >= 10
    assert "⟨U+0000⟩⟨U+202E⟩" in page.text
    assert len(page.text) < 40_000


def cut(run: Path) -> None:
    with (run / "trials.jsonl").open("a") as file:
        file.write('{"trial": 13, "outc')


def garbage(run: Path) -> None:
    with (run / "trials.jsonl").open("ab") as file:
        file.write(b'\xff\xfe\n[]\nnull\n"x"\n{"trial": 13}\n{"outcome": "passed"}\n' + b"[" * 9999)


def other_version(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    for line in lines:
        line["new"] = 1
        line["usage"], line["tool_errors"] = "many", None
    (run / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def odd_numbers(run: Path) -> None:
    usage = {"input": 10**400, "output": -5, EVIL: 1}
    odd = trial(0, None, "b", usage=usage, cost=float("nan"), seconds=float("inf"), reward=-1e308)
    line = json.dumps({**odd.model_dump(mode="json"), "cost": float("nan"), "seconds": 1e999})
    with (run / "trials.jsonl").open("a") as file:
        file.write(line + "\n" + line.replace('"trial": 0', f'"trial": -{10**300}') + "\n")


def odd_usage(run: Path) -> None:
    turn = episode()[1].model_copy(update={"usage": {EVIL: 1, "input": 2}})
    write_transcript(run / "trial-012", [turn])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut, "3 of 11 trials passed"),
        (garbage, "Line 14 of trials.jsonl can't be read."),
        (other_version, "This run was written by another version of Silent Bugs, or changed"),
        (odd_numbers, "5 of 12 trials passed"),
        (lambda run: (run / "trials.jsonl").unlink(), "No trial graded yet"),
        (lambda run: (run / "config.json").unlink(), "There is no config.json."),
        (lambda run: (run / "config.json").write_text("{"), "Task – Variant –"),
        (lambda run: (run / "config.json").write_bytes(b"\xff"), "This run can't be read: 'utf-8'"),
        (lambda run: (run / "config.json").write_text("[" * 99_999), "3 of 11 trials passed"),
        (lambda run: (run / "summary.json").write_text("[1]"), "Under way, or killed"),
        (lambda run: (run / "trial-000").mkdir(), "3 of 11 trials passed"),
        (lambda run: (run / "trial-012" / "transcript.jsonl").write_text("{}\n"), "3 of 11"),
        (odd_usage, "3 of 11 trials passed"),
    ],
)
def test_what_is_damaged_or_missing(sample: Path, damage: Callable, says: str) -> None:
    damage(sample)
    text = text_of(sample)
    assert says in text
    assert str(sample) not in text


def test_what_could_not_be_read_is_a_dash_and_no_part_of_a_sum(sample: Path) -> None:
    other_version(sample)
    spent = section(sample, "spent")
    assert "Failed by a tool – Failed by the model 18" in spent
    assert "Cost – Time" in spent
    assert "Tokens Not recorded for every attempt." in spent
    assert "8 of 8 1 19 33 – – $1.31" in " ".join(Page(row(sample, 1)).text.split())


def test_a_run_of_which_little_is_known(run: Path) -> None:
    """The configuration and the line of the trial lack most of what there is now."""
    text = text_of(run)
    assert "0 of 1 trial passed Finished." in text
    assert "Confinement not known of all" in text
    assert "Which bugs were planted is not recorded." in text
    assert "$0.32 6 min 17 s" in " ".join(Page(row(run, 0)).text.split())


def test_a_run_without_any_trial(tmp_path: Path) -> None:
    text = text_of(write_run(tmp_path / "run", []))
    assert "No trial graded yet Under way, or killed: 14 trials not run" in text
    assert "Pass rate – 95% interval –" in text
    assert "there is no pass rate yet" in text
    assert "Cost – Time of all trials –" in text
    assert "No attempt at a trial has ended yet." in text
    assert text.count("There are no trials yet.") == 2


def test_a_run_of_which_all_trials_failed_by_the_machinery(tmp_path: Path) -> None:
    text = text_of(write_run(tmp_path / "run", [fault(n, "no kernel") for n in range(14)]))
    assert "14 trials ended by a fault of the machinery stay out of the pass rate." in text
    assert "No trial has been graded: there is no pass rate yet." in text


def test_a_run_with_two_hundred_trials(tmp_path: Path) -> None:
    trials = [trial(n, "missed_bug" if n % 4 else None, "bfr-bfr-") for n in range(200)]
    run = write_run(tmp_path / "run", trials, CONFIG.model_copy(update={"trials": 200}))
    text = markup(run)
    assert text.count("<tr data-outcome=") == 200
    assert len(re.findall(r"<td title=\"[a-z-]+, trial", text)) == 200 * len(BUGS)
    assert "50 of 200 trials passed" in text_of(run)
    assert len(text) < 1_000_000


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        write(tmp_path, [], tmp_path)


def test_the_command_line_writes_it_first_and_only_with_all_trials(sample: Path) -> None:
    out = sample / "export"
    one = CliRunner().invoke(main, [str(sample), "--trial", "1"])
    assert one.stdout.split() == [str(out / "trial-001.html")]
    assert "index.html" not in (out / "trial-001.html").read_text()
    result = CliRunner().invoke(main, [str(sample)])
    assert result.exit_code == 0
    names = ["index.html", *(f"trial-{number:03d}.html" for number in range(13))]
    assert result.stdout.split() == [str(out / name) for name in names]
    assert 'href="index.html"' in (out / "trial-001.html").read_text()
    assert 'href="trial-012.html"' in (out / "index.html").read_text()
