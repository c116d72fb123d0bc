"""The ATIF form: every file is what the format's own models take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from atif import Trajectory
from odd_trials import EVIL, HUGE, SHOWN, empty, hostile, kill
from sample_episode import PROMPT, SCRIPT, TOOLS, episode, png
from sample_trial import VERDICT

from grader.agents.base import ToolCall, Turn, Usage
from grader.agents.pricing import PRICES
from grader.export.atif import write
from grader.export.load import load_trial
from grader.export.messages import conversation
from grader.transcript import Event, TurnEvent

Retell = Callable[[Iterable[Event]], None]


def exported(run: Path, out: Path) -> dict[str, Any]:
    """The document, which is strict JSON, valid, complete after a round trip, and has its files."""
    text = write(load_trial(run, 0), out).read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text, parse_constant=refuse)
    model = Trajectory.model_validate_json(text)
    assert model.model_dump(mode="json", exclude_unset=True) == document
    for part in images(document):
        assert (out / part["path"]).is_file()
    return document


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")


def images(document: dict[str, Any]) -> list[dict[str, str]]:
    return [part["source"] for part in parts(document) if part["type"] == "image"]


def parts(document: dict[str, Any]) -> list[dict[str, Any]]:
    contents = [result["content"] for result in results(document)]
    return [part for content in contents if isinstance(content, list) for part in content]


def results(document: dict[str, Any]) -> list[dict[str, Any]]:
    observations = [step["observation"] for step in document["steps"] if "observation" in step]
    return [result for observation in observations for result in observation["results"]]


def calls(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [call for step in document["steps"] for call in step.get("tool_calls", [])]


def test_a_whole_trial(run: Path, tmp_path: Path) -> None:
    document = exported(run, tmp_path)
    assert document["schema_version"] == "ATIF-v1.8"
    assert document["trajectory_id"] == "pilot/trial-000"
    steps = document["steps"]
    assert [step["source"] for step in steps] == ["user", *["agent"] * 4, "user", *["agent"] * 2]
    assert steps[0]["message"] == PROMPT
    assert steps[5]["message"] == "10 of 40 tool calls are left."
    assert steps[3]["message"] == SCRIPT[2][0]
    assert steps[3]["reasoning_content"] == SCRIPT[2][1]
    assert steps[1]["timestamp"] == "1970-01-01T00:17:10+00:00"
    assert "notes" not in document


def test_each_call_has_its_result(run: Path, tmp_path: Path) -> None:
    document = exported(run, tmp_path)
    asked = [(call["tool_call_id"], call["function_name"]) for call in calls(document)]
    assert asked[:3] == [
        ("toolu_1_0", "read_notebook"),
        ("toolu_2_0", "run_code"),
        ("toolu_2_1", "run_code"),
    ]
    assert [result["source_call_id"] for result in results(document)] == [key for key, _ in asked]
    assert calls(document)[2]["arguments"] == {"code": "history", "timeout": 60}
    assert results(document)[2]["extra"] == {"seconds": 3.9, "fault": "model"}
    assert results(document)[-1]["content"] == "Submitted."


def test_plots_are_files_beside_it(run: Path, tmp_path: Path) -> None:
    document = exported(run, tmp_path)
    assert results(document)[1]["content"] == [
        {"type": "text", "text": "0.9987"},
        {
            "type": "image",
            "source": {"media_type": "image/png", "path": "trial-000_images/001.png"},
        },
    ]
    assert (tmp_path / "trial-000_images/001.png").read_bytes() == png()
    assert [image["path"] for image in images(document)][1:] == ["trial-000_images/002.png"]


def test_the_agent_and_its_tools(run: Path, tmp_path: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "version": "0.1.0"}))
    agent = exported(run, tmp_path)["agent"]
    assert (agent["name"], agent["version"], agent["model_name"]) == ("claude", "0.1.0", "claude-x")
    assert agent["tool_definitions"][0] == {
        "type": "function",
        "function": {
            "name": "read_notebook",
            "description": TOOLS[0]["description"],
            "parameters": {"type": "object", "properties": {}},
        },
    }


def test_tokens_add_up(run: Path, tmp_path: Path) -> None:
    document = exported(run, tmp_path)
    found = [step["metrics"] for step in document["steps"] if "metrics" in step]
    assert found[0] == {
        "prompt_tokens": 40 + 9100 + 1300,
        "completion_tokens": 812,
        "cached_tokens": 9100,
        "extra": {"cache_write_tokens": 1300},
    }
    final = document["final_metrics"]
    for kind in ("prompt", "completion", "cached"):
        assert final[f"total_{kind}_tokens"] == sum(step[f"{kind}_tokens"] for step in found)
    assert final["total_cost_usd"] == 0.318
    assert final["total_steps"] == len(document["steps"])


def test_a_step_has_its_cost_where_the_price_is_known(
    run: Path, tmp_path: Path, retell: Retell
) -> None:
    model, usage = next(iter(PRICES)), Usage(output=1_000_000)
    start = episode()[0].model_copy(update={"model": model})
    retell([start, TurnEvent.of(1, Turn("", "", (), usage, "end_turn"), 1.0)])
    dollars = exported(run, tmp_path)["steps"][1]["metrics"]["cost_usd"]
    assert dollars == PRICES[model].output


def test_a_script_is_no_model(run: Path, tmp_path: Path, retell: Retell) -> None:
    config = {"task": "transits", "agent": "oracle", "model": None, "trials": 1}
    (run / "config.json").write_text(json.dumps(config))
    start = episode()[0].model_copy(update={"agent": "oracle", "model": None})
    call = ToolCall("call_1", "submit", {})
    retell([start, TurnEvent.of(1, Turn("", "", (call,), Usage(), "tool_use"), 1.0)])
    document = exported(run, tmp_path)
    assert document["steps"][1]["llm_call_count"] == 0
    assert "metrics" not in document["steps"][1]
    assert "model_name" not in document["agent"]
    assert "total_prompt_tokens" not in document["final_metrics"]


def test_the_verdict_is_extra_and_the_answer_key_is_not(run: Path, tmp_path: Path) -> None:
    document = exported(run, tmp_path)
    extra = document["extra"]
    assert extra == json.loads(json.dumps(conversation(load_trial(run, 0))["metadata"]))
    assert extra["verdict"] == json.loads(VERDICT.model_dump_json())
    assert (extra["outcome"], extra["reward"]) == ("failed", 0.4375)
    assert "Moving average without buffers" not in json.dumps(document)


def test_a_killed_trial_is_valid_wherever_it_was_cut(run: Path, tmp_path: Path) -> None:
    for length in range(1, len(episode())):
        kill(run, length)
        document = exported(run, tmp_path)
        assert document["notes"] == "The transcript breaks off here: the trial was killed."
        assert document["extra"]["verdict"] is None
        assert "total_cost_usd" not in document["final_metrics"]


def test_a_call_without_an_answer_has_none(run: Path, tmp_path: Path) -> None:
    kill(run, 5)
    document = exported(run, tmp_path)
    assert len(calls(document)) == 3
    assert [result["source_call_id"] for result in results(document)] == ["toolu_1_0", "toolu_2_0"]


def test_a_trial_without_any_event(run: Path, tmp_path: Path) -> None:
    empty(run)
    document = exported(run, tmp_path)
    assert [step["source"] for step in document["steps"]] == ["system"]
    assert document["steps"][0]["message"] == "There is no transcript of this trial."
    assert document["notes"] == "The trial was killed before it left a transcript."


def test_a_folder_without_anything(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "trial-000").mkdir(parents=True)
    agent = exported(run, tmp_path)["agent"]
    assert agent == {"name": "unknown", "version": "unknown"}


def test_a_hostile_trial(run: Path, tmp_path: Path, retell: Retell) -> None:
    retell(hostile())
    document = exported(run, tmp_path)
    assert document["steps"][1]["message"] == EVIL.replace("\ud800 \udfff", SHOWN)
    assert document["steps"][3]["message"] == HUGE
    keys = [call["tool_call_id"] for call in calls(document)]
    assert keys == ["toolu_1", "call", "toolu_1_2", "call_2"]
    assert [result["source_call_id"] for result in results(document)] == keys
    assert len(images(document)) == 1
    shown = [part["text"] for part in parts(document) if part["type"] == "text"]
    assert sum("An image that can't be shown" in text for text in shown) == 2
    assert "nested too deeply" in json.dumps(calls(document)[0]["arguments"]["deep"])


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_numbers_that_json_has_none_for_are_null(run: Path, tmp_path: Path, value: str) -> None:
    text = VERDICT.model_dump_json().replace("0.8125", value)
    (run / "trial-000" / "verdict.json").write_text(text)
    verdict = exported(run, tmp_path)["extra"]["verdict"]
    assert verdict["metrics"] == {"hidden_accuracy": None, "claimed_accuracy": 0.9271}


def test_a_file_is_written(run: Path, tmp_path: Path) -> None:
    assert write(load_trial(run, 0), tmp_path) == tmp_path / "trial-000.trajectory.json"
