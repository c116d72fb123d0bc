"""The Inspect form: one log a run, read back by Inspect itself."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import EvalLog, EvalSample, list_eval_logs, read_eval_log, recompute_metrics
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageTool,
    ContentImage,
    ContentReasoning,
    ContentText,
)
from odd_trials import EVIL, HUGE, SHOWN, empty, hostile, kill
from sample_episode import PROMPT, episode, png
from sample_trial import VERDICT, write_trial

from grader.export.inspect_log import write
from grader.export.load import load_trial, trial_numbers
from grader.stats import wilson
from grader.transcript import End, Event

Retell = Callable[[Iterable[Event]], None]

CONFIG = {
    "task": "transits",
    "variant": "hard",
    "variant_seed": 3,
    "agent": "claude",
    "model": "claude-x",
    "seed": 7,
    "trials": 1,
    "concurrency": 2,
    "confined": True,
    "sandbox": "bubblewrap",
    "started": "2026-03-01T12:00:00+01:00",
    "version": "0.1.0",
    "bugs": ["micro-batches", "ema-buffers"],
}


@pytest.fixture(autouse=True)
def config(run: Path) -> None:
    """Of a run as the runner writes it."""
    configure(run)


def configure(run: Path, **changes: Any) -> None:
    (run / "config.json").write_text(json.dumps({**CONFIG, **changes}))


def end_run(run: Path, stopped: str = "") -> None:
    """Writes what the runner writes last."""
    (run / "summary.json").write_text(json.dumps({"stopped": stopped}))


def ended(run: Path, *outcomes: str) -> None:
    """Makes it a run with these outcomes, one trial each."""
    (run / "trials.jsonl").unlink(missing_ok=True)
    configure(run, trials=len(outcomes))
    for number in range(len(outcomes)):
        folder = run / f"trial-{number:03d}"
        if not folder.is_dir():
            write_trial(run, number)
        (folder / "verdict.json").unlink(missing_ok=True)
    lines = [{"trial": n, "outcome": o, "detail": "overloaded"} for n, o in enumerate(outcomes)]
    (run / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def exported(run: Path, out: Path, *numbers: int) -> EvalLog:
    trials = [load_trial(run, number) for number in trial_numbers(run, numbers)]
    return read_eval_log(write(run, trials, out), resolve_attachments=True)


def sample(run: Path, out: Path) -> EvalSample:
    """The sample of the first trial."""
    return samples(exported(run, out))[0]


def samples(log: EvalLog) -> list[EvalSample]:
    assert log.samples is not None
    return log.samples


def metrics(log: EvalLog) -> dict[str, float]:
    assert log.results is not None
    (score,) = log.results.scores
    return {name: metric.value for name, metric in score.metrics.items()}


def error(found: EvalSample) -> str:
    assert found.error is not None
    return found.error.message


def answers(found: EvalSample) -> list[ChatMessageTool]:
    return [message for message in found.messages if isinstance(message, ChatMessageTool)]


def said(found: EvalSample) -> list[ChatMessageAssistant]:
    return [message for message in found.messages if isinstance(message, ChatMessageAssistant)]


def test_the_evaluation(run: Path, tmp_path: Path) -> None:
    log = exported(run, tmp_path)
    assert (log.eval.task, log.eval.model) == ("transits", "anthropic/claude-x")
    assert log.eval.solver == "claude"
    assert (log.eval.dataset.samples, log.eval.dataset.sample_ids) == (1, ["hard"])
    assert log.eval.task_args == {"variant": "hard", "variant_seed": 3, "seed": 7}
    assert log.eval.metadata == {"run": "pilot", "confined": True, "sandbox": "bubblewrap"}
    assert log.eval.packages == {"silent-bugs": "0.1.0"}
    assert log.eval.created == log.stats.started_at == "2026-03-01T11:00:00+00:00"
    assert log.eval.config.max_samples == 2
    assert log.status == "success"


def test_the_conversation(run: Path, tmp_path: Path) -> None:
    found = sample(run, tmp_path)
    roles = [message.role for message in found.messages]
    assert roles[:6] == ["user", "assistant", "tool", "assistant", "tool", "tool"]
    assert roles.count("user") == 2
    assert found.input == found.messages[0].content == PROMPT
    assert found.messages[10].content == "10 of 40 tool calls are left."
    first, second = said(found)[:2]
    assert isinstance(first.content, list)
    assert [type(part) for part in first.content] == [ContentReasoning, ContentText]
    assert second.content == "Now a look at the **data** and at the learning rate."
    assert found.output.completion == "Everything holds. I submit."
    assert found.output.stop_reason == "tool_calls"
    assert found.turn_count == 6
    assert found.events == []


def test_calls_and_results(run: Path, tmp_path: Path) -> None:
    found = sample(run, tmp_path)
    calls = [call for message in said(found) for call in message.tool_calls or []]
    assert [answer.tool_call_id for answer in answers(found)] == [call.id for call in calls]
    assert calls[2].arguments == {"code": "history", "timeout": 60}
    plot, trace = answers(found)[1:3]
    assert isinstance(plot.content, list)
    text, image = plot.content
    assert isinstance(text, ContentText)
    assert text.text == "0.9987"
    assert isinstance(image, ContentImage)
    assert image.image == "data:image/png;base64," + base64.b64encode(png()).decode()
    assert plot.error is None
    assert trace.error is not None
    assert "NameError" in trace.error.message
    assert trace.metadata == {"seconds": 3.9, "fault": "model"}


def test_the_score_has_the_evidence(run: Path, tmp_path: Path) -> None:
    found = sample(run, tmp_path)
    assert found.scores is not None
    score = found.scores["silent_bugs"]
    assert score.value == "I"
    assert score.explanation == f"missed bug: {VERDICT.detail}"
    assert score.answer == (run / "trial-000" / "bug_report.json").read_text()
    verdict = json.loads(VERDICT.model_dump_json())
    assert score.metadata == {
        "reward": 0.4375,
        "failure_reason": "missed_bug",
        **{name: verdict[name] for name in ("bugs", "checks", "false_alarms", "metrics")},
    }
    assert "Moving average without buffers" not in found.model_dump_json()


def test_tokens_and_times(run: Path, tmp_path: Path) -> None:
    log = exported(run, tmp_path)
    (found,) = samples(log)
    usage = found.model_usage["anthropic/claude-x"]
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (240, 4872, 67512)
    assert (usage.input_tokens_cache_read, usage.input_tokens_cache_write) == (54600, 7800)
    assert usage.total_cost == 0.318
    assert log.stats.model_usage == found.model_usage
    assert found.total_time == 377.4
    assert found.started_at == "1970-01-01T00:16:40+00:00"
    assert found.completed_at == log.stats.completed_at == "1970-01-01T00:22:57.400000+00:00"


def test_trials_are_epochs_and_metrics_are_over_trials(run: Path, tmp_path: Path) -> None:
    outcomes = ["passed", "failed", "failed", "failed", "infrastructure", "failed"]
    ended(run, *outcomes)
    log = exported(run, tmp_path)
    assert [(found.id, found.epoch) for found in samples(log)] == [
        ("hard", k + 1) for k in range(6)
    ]
    assert log.eval.config.epochs == 6
    found = metrics(log)
    assert found["accuracy"] == pytest.approx(1 / 5)
    assert found["stderr"] == pytest.approx((0.2 * 0.8 / 4) ** 0.5)
    assert [found["lower"], found["upper"]] == pytest.approx(wilson(1, 5))


def test_the_metrics_are_what_inspect_computes_of_the_log(run: Path, tmp_path: Path) -> None:
    ended(run, "passed", "failed", "infrastructure")
    log = exported(run, tmp_path)
    before = metrics(log)
    recompute_metrics(log)
    assert metrics(log) == before


def test_an_infrastructure_fault_is_an_error_without_a_score(run: Path, tmp_path: Path) -> None:
    ended(run, "infrastructure", "passed")
    log = exported(run, tmp_path)
    fault, passed = samples(log)
    assert error(fault) == "overloaded"
    assert fault.scores is None
    assert passed.error is None
    assert log.results is not None
    assert (log.results.total_samples, log.results.completed_samples) == (2, 1)
    assert log.status == "success"


def test_what_is_undefined_is_left_out(run: Path, tmp_path: Path) -> None:
    """Inspect itself calls the spread of one value 0, and the mean of none."""
    assert metrics(exported(run, tmp_path)).keys() == {"accuracy", "lower", "upper"}
    ended(run, "infrastructure")
    log = exported(run, tmp_path)
    assert log.results is not None
    assert log.results.scores == []


def test_a_cost_that_is_known_in_part_is_no_sum(run: Path, tmp_path: Path) -> None:
    write_trial(run, 1)
    with (run / "trials.jsonl").open("a") as file:
        file.write(json.dumps({"trial": 1, "outcome": "failed"}) + "\n")
    assert exported(run, tmp_path).stats.model_usage["anthropic/claude-x"].total_cost is None


@pytest.mark.parametrize(
    ("stopped", "status"),
    [
        (None, "started"),
        ("interrupted", "cancelled"),
        ("agent: the key is refused", "error"),
        ("settled: the pass rate lies inside the band", "success"),
    ],
)
def test_a_run_with_trials_missing_says_why(
    run: Path, tmp_path: Path, stopped: str | None, status: str
) -> None:
    configure(run, trials=10, until_decided=True)
    if stopped is not None:
        end_run(run, stopped)
    log = exported(run, tmp_path)
    assert log.status == status
    assert (log.error.message if log.error else None) == (stopped if status == "error" else None)
    assert log.results is not None
    assert log.results.total_samples == (1 if status == "success" else 10)
    assert bool(log.stats.completed_at) == (status == "success")


def test_a_run_that_does_not_say_how_long_it_was_to_be(run: Path, tmp_path: Path) -> None:
    (run / "config.json").unlink()
    assert exported(run, tmp_path).status == "started"
    end_run(run)
    assert exported(run, tmp_path).status == "success"


def test_a_killed_trial_is_cancelled_wherever_it_was_cut(run: Path, tmp_path: Path) -> None:
    for length in range(1, len(episode())):
        kill(run, length)
        log = exported(run, tmp_path)
        (found,) = samples(log)
        assert log.status == "started"
        assert "CancelledError('The transcript breaks off here" in error(found)
        assert found.scores is None
        assert log.results is not None
        assert (log.results.completed_samples, log.results.scores) == (0, [])


def test_a_call_without_an_answer_says_so(run: Path, tmp_path: Path) -> None:
    kill(run, 5)
    assert [answer.content for answer in answers(sample(run, tmp_path))][-1] == (
        "No result was recorded."
    )


def test_an_interrupted_trial(run: Path, tmp_path: Path, retell: Retell) -> None:
    kill(run, 4)
    retell([*episode()[:4], End(reason="interrupted")])
    end_run(run, "interrupted")
    log = exported(run, tmp_path)
    assert log.status == "cancelled"
    assert error(samples(log)[0]) == "CancelledError('The trial was interrupted.')"


def test_a_trial_without_any_event(run: Path, tmp_path: Path) -> None:
    empty(run)
    found = sample(run, tmp_path)
    assert (found.messages, found.input, found.model_usage) == ([], "", {})
    assert found.output.choices == []
    assert "before it left a transcript" in error(found)


def test_a_folder_without_anything(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "trial-000").mkdir(parents=True)
    log = exported(run, tmp_path)
    assert (log.eval.task, log.eval.model, log.status) == ("unknown", "none/none", "started")


def test_a_hostile_trial(run: Path, tmp_path: Path, retell: Retell) -> None:
    retell(hostile())
    found = sample(run, tmp_path)
    first, second = said(found)
    shown = EVIL.replace("\ud800 \udfff", SHOWN)
    assert isinstance(first.content, list)
    assert [part.text for part in first.content if isinstance(part, ContentText)] == [shown]
    assert second.content == HUGE
    keys = [call.id for message in said(found) for call in message.tool_calls or []]
    assert keys == ["toolu_1", "call", "toolu_1_2", "call_2"]
    assert [answer.tool_call_id for answer in answers(found)] == keys
    contents = [part for a in answers(found) if isinstance(a.content, list) for part in a.content]
    assert sum(isinstance(part, ContentImage) for part in contents) == 1
    assert sum("can't be shown" in part.text for part in contents if part.type == "text") == 2
    calls = first.tool_calls or []
    assert [shown, {"big": 10**30, "inf": None}] in calls[0].arguments.values()
    assert "nested too deeply" in json.dumps(calls[0].arguments["deep"])


def test_a_script_is_no_model(run: Path, tmp_path: Path, retell: Retell) -> None:
    configure(run, agent="oracle", model=None)
    start = episode()[0].model_copy(update={"agent": "oracle", "model": None})
    retell([start, *episode()[1:]])
    log = exported(run, tmp_path)
    assert (log.eval.model, log.eval.solver) == ("none/none", "oracle")
    assert samples(log)[0].model_usage == log.stats.model_usage == {}


def test_a_selection_is_a_log_of_its_own(run: Path, tmp_path: Path) -> None:
    ended(run, "passed", "failed", "passed")
    exported(run, tmp_path)
    log = exported(run, tmp_path, 2, 0)
    assert [found.epoch for found in samples(log)] == [1, 3]
    assert metrics(log)["accuracy"] == 1
    assert log.eval.metadata is not None
    assert log.eval.metadata["selected"] == [2, 0]
    assert log.status == "success"
    names = sorted(path.name for path in tmp_path.glob("*.eval"))
    assert names == ["pilot-selected.eval", "pilot.eval"]


def test_the_same_run_is_the_same_evaluation(run: Path, tmp_path: Path) -> None:
    assert exported(run, tmp_path) == exported(run, tmp_path)


@pytest.mark.parametrize("name", ["a b", "100% #1", "a::b", "ünï?*"])
def test_any_name_of_a_run_will_do(run: Path, tmp_path: Path, name: str) -> None:
    renamed = run.rename(tmp_path / name)
    assert exported(renamed, tmp_path).eval.metadata == {
        "run": name,
        "confined": True,
        "sandbox": "bubblewrap",
    }


def test_inspect_lists_and_dumps_it(run: Path) -> None:
    done = command(run, "grader.export", run, "--format", "inspect")
    assert done.stdout == f"{run}/export/pilot.eval\n"
    assert done.stderr == ""
    (listed,) = list_eval_logs(str(run / "export"))
    assert listed.task == "transits"
    dumped = json.loads(command(run, "inspect_ai", "log", "dump", done.stdout.strip()).stdout)
    assert dumped["status"] == "success"
    assert dumped["samples"][0]["scores"]["silent_bugs"]["value"] == "I"


def test_without_inspect_it_says_how_to_get_it(run: Path) -> None:
    code = (
        "import sys; sys.modules['inspect_ai'] = None\n"
        "from grader.export.__main__ import main\n"
        f"main([{str(run)!r}, '--format', sys.argv[1]])"
    )
    without = [sys.executable, "-c", code]
    done = subprocess.run([*without, "inspect"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        "Error: The format inspect needs Inspect: pip install 'silent-bugs[inspect]'\n"
    )
    subprocess.run([*without, "atif"], check=True, capture_output=True, timeout=60)


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
