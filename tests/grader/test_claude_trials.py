"""The Claude path end to end: real SDK, real kernel, real grading, a local server as the model."""

import json

from grader.agents.scripted import oracle
from task_spec.composition import choose
from tests.agents.stand_in import KEY, MODEL, StandIn, episode
from tests.agents.stand_in_replies import Fault, Reply, call, text, thinking
from tests.command_line import refused
from tests.grader.tiny_task import run_on_tiny_task, tiny_task

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()"


def _play(folder, *steps, options=()):
    with StandIn(episode(*steps)) as server:
        words = ("--model", MODEL, "--trials", 1, *options)
        return run_on_tiny_task(folder, *words, **server.environment), server.requests


def test_a_model_that_repairs_and_reports_passes(tmp_path):
    right = oracle(choose(tiny_task(tmp_path), level="easy"), 0)
    edits = [
        call("edit_cell", {"cell_id": edit.cell, "old": edit.old, "new": edit.new})
        for edit in right.edits
    ]
    script = (
        Reply(thinking("Where to begin?"), text("I read it."), call("read_notebook", {})),
        Reply(call("run_code", {"code": PLOT})),
        Reply(text("Now all repairs at once."), *edits),
        Reply(call("submit", {"bug_report": [{"clause": "P0"}]})),
        Reply(call("submit", {"bug_report": right.report})),
    )
    done, requests = _play(tmp_path, *script)
    assert done.exit_code == 0, done.output
    out = tmp_path / "run"
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["agent"], summary["model"], summary["passed"]) == ("claude", MODEL, 1)
    assert summary["usage"]["output"] == 5 * 5
    assert summary["cost"] is None
    assert "says nothing about a model" not in done.output
    assert KEY not in "".join(p.read_text() for p in out.rglob("*.json*"))
    prompt = json.dumps(requests[0].body["messages"][0])
    assert "Repair a notebook that is silently wrong" in prompt
    (answer,) = requests[2].results
    assert [block["type"] for block in answer["content"]].count("image") == 1
    (refused,) = requests[4].results
    assert refused["is_error"]
    assert "report entry 0" in json.dumps(refused)


def test_a_model_that_never_submits_is_reminded_and_then_fails(tmp_path):
    done, requests = _play(tmp_path, *[Reply(text("I am done."))] * 5)
    assert done.exit_code == 0, done.output
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["failure_reasons"] == {"no_submission": 1}
    assert len(requests) == 3
    assert "nothing has been handed in" in json.dumps(requests[1].last)


def test_a_fault_of_the_api_is_no_failure_of_the_model(tmp_path):
    broken = Fault(400, "the server can't do this")
    done, _ = _play(tmp_path, Reply(call("read_notebook", {})), broken, options=("--retries", 0))
    assert done.exit_code == 3, done.output
    assert "--resume" in done.output
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["trials"], summary["infrastructure"], summary["pass_rate"]) == (0, 1, None)
    (trial,) = (tmp_path / "run" / "trials.jsonl").read_text().splitlines()
    assert json.loads(trial)["outcome"] == "infrastructure"


def test_an_unknown_model_is_one_line_and_status_2(tmp_path):
    words = ("--model", "claude-nope", "--out", tmp_path / "run")
    with StandIn(episode()) as server:
        told = refused("grader.run_trials", *words, **server.environment)
    assert "claude-nope" in told
