"""The prompt: prose around demands. What demands something is a Demand, and names its checks."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from task_spec.model import Demand, Rows, Task

RUN_EXECUTES = "run.executes"
RUN_TIME = "run.time"
RUN_INTERFACE = "run.interface"
REPORT_FORMAT = "report.format"
REPORT_BUGS = "report.bugs"
REPORT_FALSE_ALARMS = "report.false_alarms"
SUBMITTED = "episode.submitted"
BUDGET = "episode.budget"
MOST_CELLS = 300
CELL_LIMIT = 40_000  # characters of one cell that are executed again
QUOTE_MIN = 6  # characters, white space aside
QUOTE_LINES = 12

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,
)


def sections(task: Task) -> dict[str, tuple[Demand, ...]]:
    """Every demand of a task's prompt, by section."""
    return {
        "run": _run_demands(task),
        "clauses": tuple(_clause_demand(task, clause.id) for clause in task.clauses),
        "metrics": task.metrics,
        "interface": (
            Demand(
                "Keep these functions, with the order of their parameters, and keep training "
                f"through them. Keep the names {_names(task)} for what they are now. What is "
                "inside is yours to change.",
                (RUN_INTERFACE,),
            ),
        ),
        "report": _report_demands(task),
        "budget": _budget_demands(task),
    }


def render_prompt(task: Task) -> str:
    """The prompt of a task, in Markdown."""
    template = _TEMPLATES.get_template("prompt.md.j2")
    return template.render(
        task=task, **sections(task), quote_min=QUOTE_MIN, quote_lines=QUOTE_LINES
    )


def _names(task: Task) -> str:
    return " and ".join(f"`{name}`" for name in task.kept_names)


def _clause_demand(task: Task, clause_id: str) -> Demand:
    clause = next(c for c in task.clauses if c.id == clause_id)
    checks = [check for check in task.checks if check.clause == clause_id]
    bounds = "; ".join(check.bound for check in checks)
    return Demand(
        f"**{clause.id} {clause.title}.** {clause.text} *(Holds if: {bounds}.)*",
        tuple(check.id for check in checks),
    )


def _run_demands(task: Task) -> tuple[Demand, ...]:
    return (
        Demand(
            "Its code cells, in order, run in a fresh kernel without an error, in a folder that "
            f"holds nothing but `data/`; there are at most {MOST_CELLS} cells, of at most "
            f"{CELL_LIMIT} characters each, and the kernel with all of its processes uses at most "
            f"{task.budgets.memory_gib} GiB of memory.",
            (RUN_EXECUTES,),
        ),
        Demand(
            f"One such run takes at most {task.budgets.run_seconds} seconds.",
            (RUN_TIME,),
        ),
    )


def _report_demands(task: Task) -> tuple[Demand, ...]:
    rules = task.report
    return (
        Demand(
            f"The report is a list of at most {rules.max_entries} entries, each an object with the "
            'text fields `clause` (such as "P0"), `cell` (a cell id of the notebook as delivered), '
            f"`quote` (a line of that cell as delivered, or a part of one of at least {QUOTE_MIN} "
            f"characters, or up to {QUOTE_LINES} adjacent lines) and `explanation` (for a human "
            "reader, not graded).",
            (REPORT_FORMAT,),
        ),
        Demand(
            "Every bug that was planted in the notebook is reported. An entry reports a bug if it "
            "names a clause that the bug breaks and quotes a line of a function, or of "
            "top-level code, in which the bug sits or in which it could rightly be repaired. Each "
            "bug needs an entry of its own, two bugs of one clause two; a further entry for the "
            "same bug costs nothing.",
            (REPORT_BUGS,),
        ),
        *(_rows_demand(clause, rows) for clause, rows in clauses_with_rows(task).items()),
        Demand(
            f"At most {rules.max_false_alarms} entry reports no bug.",
            (REPORT_FALSE_ALARMS,),
        ),
    )


def clauses_with_rows(task: Task) -> dict[str, Rows]:
    """The clauses whose report lists rows of the data, in the task's order."""
    found = {clause: bug.rows for bug in task.bugs if bug.rows for clause in bug.clauses}
    return {clause.id: found[clause.id] for clause in task.clauses if clause.id in found}


def _rows_demand(clause: str, rows: Rows) -> Demand:
    ids = "one id" if rows.size == 1 else f"{rows.size} ids, in any order"
    return Demand(
        f"An entry for {clause}, if there is one, also has the field `rows`: a list of "
        f"{rows.meaning}, in the published data, each as a list of {ids}. It reports the bug only "
        f"if, of all rows listed under {clause}, at least {rows.min_precision:.0%} are right, and "
        f"at least {rows.min_recall:.0%} of the right ones are listed.",
        (REPORT_BUGS,),
    )


def _budget_demands(task: Task) -> tuple[Demand, ...]:
    budgets = task.budgets
    return (
        Demand(
            f"You have {budgets.tool_calls} tool calls, {budgets.kernel_minutes:g} minutes of "
            f"kernel time and {budgets.tokens:,} tokens in all (input, output and cached).",
            (BUDGET,),
        ),
        Demand(
            "Only what you hand in with `submit`, before a budget is spent, is graded.",
            (SUBMITTED,),
        ),
    )
