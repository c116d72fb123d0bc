"""Every command of the README is run: the make targets by .ci/run, the others here."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grader.agents.scripted import apprentice_rate, oracle
from tests.grader.playing import DEFAULT

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
    assert set(made) <= set(ci)


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


def test_links_lead_somewhere_and_figures_hold():
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in [heading.lower().replace(" ", "-") for heading in headings]
        elif not target.startswith("https://"):
            assert (ROOT / target).exists()
    assert f"| {apprentice_rate(DEFAULT):.0%} by construction |" in README
