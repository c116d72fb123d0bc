"""An episode by way of MCP: the SDK's own client, our server in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from PIL import Image as Pillow

from grader.agents.scripted import oracle
from grader.run_folder import read_run
from kernel_tool.mcp.fit import MOST_TOKENS, fitted, tokens
from kernel_tool.results import Image, Text, ToolResult
from tests.grader.playing import DEFAULT

MODULE = ["-m", "kernel_tool.mcp"]
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()"


@asynccontextmanager
async def over_stdio(out: Path, *options: str):
    arguments = [*MODULE, "--out", str(out), "--agent", "someone", *options]
    server = StdioServerParameters(command=sys.executable, args=arguments, cwd=str(out.parent))
    async with Client(stdio_client(server)) as client:
        yield client


def graded(out: Path, seconds: float = 90):
    """The one trial of a run, once its episode's process has recorded it."""
    deadline = time.monotonic() + seconds
    while not (out / "summary.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (trial,) = read_run(out).trials
    return trial


def text_of(result) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")


async def test_an_episode_over_stdio_ends_with_submit_and_is_graded(tmp_path):
    out = tmp_path / "run"
    async with over_stdio(out) as client:
        offered = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(offered) == {
            "read_task", "read_notebook", "edit_cell", "insert_cell", "delete_cell", "run_cells",
            "run_code", "restart_kernel", "submit",
        }  # fmt: skip
        assert offered["edit_cell"].input_schema["required"] == ["cell_id"]
        task = text_of(await client.call_tool("read_task", {}))
        assert "Repair a notebook that is silently wrong" in task
        prompt = await client.get_prompt("task")
        assert prompt.messages[0].content.text == task
        assert not out.exists()  # nothing begins before the first call
        shown = await client.call_tool("run_code", {"code": PLOT})
        (picture,) = [part for part in shown.content if part.type == "image"]
        assert picture.mime_type == "image/png"
        wrong = await client.call_tool("edit_cell", {"cell_id": "nope", "source": "x"})
        assert wrong.is_error
        assert "The cells are" in text_of(wrong)
        unknown = await client.call_tool("nope", {})
        assert unknown.is_error
        # A notebook that fails at once is graded at once.
        await client.call_tool("insert_cell", {"after": "start", "source": "1 / 0"})
        done = await client.call_tool("submit", {"bug_report": oracle(DEFAULT, 0).report})
        assert "Submitted" in text_of(done)
        assert (await client.call_tool("read_notebook", {})).is_error
    trial = graded(out)
    assert (trial.outcome, trial.failure_reason) == ("failed", "notebook_error")
    assert (trial.tool_calls, trial.tool_errors, trial.model_errors) == (5, 0, 2)
    assert read_run(out).config.agent == "someone"
    folder = out / "trial-000"
    assert not (folder / "host.json").exists()
    for name in ("broken.ipynb", "submission.ipynb", "verdict.json", "transcript.jsonl"):
        assert (folder / name).stat().st_size > 0


@pytest.mark.matrix
async def test_a_client_that_goes_away_ends_its_episode(tmp_path):
    out = tmp_path / "run"
    async with over_stdio(out) as client:
        await client.call_tool("read_notebook", {})
        process = json.loads((out / "trial-000" / "host.json").read_text())["process"]
        host = psutil.Process(process)
        family = [host, *host.children(recursive=True)]
        assert len(family) > 1
    trial = graded(out)
    assert (trial.failure_reason, trial.detail) == ("no_submission", "the client went away")
    _, alive = psutil.wait_procs(family, 10)
    assert not alive


async def test_a_server_that_is_never_called_leaves_nothing(tmp_path):
    async with over_stdio(tmp_path / "run") as client:
        await client.list_tools()
    assert not (tmp_path / "run").exists()


@pytest.mark.matrix
async def test_a_server_over_http_ends_with_its_episode(tmp_path):
    out, port = tmp_path / "run", free_port()
    server = over_http(out, port)
    try:
        wait_for(port)
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            await client.call_tool("insert_cell", {"after": "start", "source": "1 / 0"})
            await client.call_tool("submit", {"bug_report": []})
        assert server.wait(timeout=20) == 0
    finally:
        server.kill()
        server.wait()
    assert graded(out).failure_reason == "notebook_error"


@pytest.mark.matrix
async def test_streamable_http_on_loopback_and_a_killed_server_ends_its_episode(tmp_path):
    out, port = tmp_path / "run", free_port()
    server = over_http(out, port)
    wait_for(port)
    listening = {c.laddr.ip for c in psutil.Process(server.pid).net_connections("tcp")}
    assert listening == {"127.0.0.1"}
    try:
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            assert "cell load" in text_of(await client.call_tool("read_notebook", {}))
            os.kill(server.pid, signal.SIGKILL)
    except Exception:
        pass
    server.wait()
    assert graded(out).detail == "the client went away"


def test_wrong_use_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, *MODULE, "--task", "transit"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "did you mean 'transits'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_the_package_it_says_how_to_get_it(tmp_path):
    script = (
        "import sys, runpy; sys.modules['mcp'] = None; "
        "runpy.run_module('kernel_tool.mcp', run_name='__main__')"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "pip install 'silent-bugs[mcp]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_results_fit_into_what_clients_take():
    picture = BytesIO()
    Pillow.new("RGB", (1000, 1000)).save(picture, "png")
    numbers = " ".join(str(0.1234567 * n) for n in range(20_000))
    parts = (Text(numbers), Image(picture.getvalue()), Text("é→" * 20_000), Text("the end"))
    shown = fitted(ToolResult(parts))
    texts = [part.text for part in shown.content if isinstance(part, Text)]
    assert sum(map(tokens, texts)) <= MOST_TOKENS + 3 * 100
    assert "left out" in texts[0]
    assert texts[0].startswith(numbers[:50])
    assert texts[-1] == "the end"
    small = ToolResult((Text("a"), Image(picture.getvalue()), Text("b")))
    assert fitted(small) == small
    whole = fitted(ToolResult((Image(picture.getvalue()),) * 30))
    kept = sum(isinstance(part, Image) for part in whole.content)
    assert kept == MOST_TOKENS * 750 // 1_000_000
    assert len(whole.content) == 30


def over_http(out: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, *MODULE, "--out", str(out), "--http", str(port)]
    return subprocess.Popen(command, cwd=out.parent)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
