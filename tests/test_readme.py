"""Every command of the README is run: the make targets by .ci/run, the others here."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from grader.agents.scripted import apprentice_rate, oracle
from grader.decide import operating_characteristic
from tests.grader.playing import DEFAULT
from tests.outside.test_mcp import graded

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
STATUS = {"grader.grade": 1}  # the committed notebook is the broken one


def test_make_targets_of_the_readme_are_run_by_ci():
    made = [command for command in COMMANDS if command.startswith("make ")]
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    assert made
    # CI may make fewer trials.
    assert set(made) <= {line.partition(" TRIALS=")[0] for line in ci}


@pytest.mark.long
@pytest.mark.matrix
def test_every_other_command_works_in_the_order_of_the_readme(tmp_path):
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    (tmp_path / "bug_report.json").write_text(json.dumps(oracle(DEFAULT, 0).report))
    others = [command for command in COMMANDS if not command.startswith("make ")]
    assert len(others) >= 4
    for command in others:
        words = command.replace("/tmp/variant", str(tmp_path / "variant")).split()
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        wanted = next((code for module, code in STATUS.items() if module in command), 0)
        assert done.returncode == wanted, f"{command}\n{done.stdout}\n{done.stderr}"
    graded(tmp_path / "runs" / "mine")


async def test_the_server_of_the_readme_offers_its_tools(tmp_path):
    (line,) = [line for line in README.splitlines() if line.startswith("claude mcp add")]
    python, *words = line.partition(" -- ")[2].split()
    assert python == '"$PWD/.venv/bin/python"'
    server = StdioServerParameters(command=sys.executable, args=words, cwd=str(tmp_path))
    async with Client(stdio_client(server)) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert {"read_task", "run_cells", "submit"} <= names
    assert not list(tmp_path.iterdir())


def test_links_lead_somewhere_and_figures_hold():
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in [heading.lower().replace(" ", "-") for heading in headings]
        elif not target.startswith("https://"):
            assert (ROOT / target).exists()
    for row in operating_characteristic((0.02, 0.10, 0.20, 0.30, 0.40, 0.60), 100):
        ends = (f"{100 * end:.1f}%" for end in (row.inside, row.outside, row.undecided))
        assert f"| {row.rate:.2f} | {' | '.join(ends)} | {row.trials:.0f} |" in README
    assert f"| {apprentice_rate(DEFAULT):.0%} by construction |" in README
