"""The verdict on one submission, with its evidence."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from task_spec.rows import RowScore


class FailureReason(StrEnum):
    """The one reason a submission failed: the first of these that applies."""

    NO_SUBMISSION = "no_submission"
    OUT_OF_BUDGET = "out_of_budget"
    BAD_REPORT = "bad_report"
    NOTEBOOK_ERROR = "notebook_error"
    TIMEOUT = "timeout"
    MISSED_BUG = "missed_bug"
    WRONG_ROWS = "wrong_rows"
    PARTIAL_FIX = "partial_fix"
    REGRESSION = "regression"
    FALSE_ALARM = "false_alarm"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckResult(_Record):
    """One check with its evidence. ``value`` is None where nothing could be measured."""

    id: str
    clause: str | None
    passed: bool
    value: float | None
    bound: str
    explanation: str
    world: str = ""


class BugResult(_Record):
    """What became of one planted bug."""

    id: str
    kind: str
    clauses: tuple[str, ...]
    fixed: bool
    reported: bool
    in_doubt: bool = Field(
        default=False,
        description="perhaps repaired: what failed of its checks shows another bug that was left",
    )
    entry: int | None = Field(default=None, description="index of the report entry that matched it")
    precision: float | None = Field(default=None, description="of the rows that were listed for it")
    recall: float | None = Field(default=None, description="of the rows that were listed for it")

    @property
    def rows(self) -> RowScore | None:
        """How good the rows are that were listed for it, if any were."""
        if self.precision is None or self.recall is None:
            return None
        return RowScore(self.precision, self.recall)

    @property
    def in_words(self) -> str:
        """What became of it, in a line."""
        words = (
            ("repaired", self.fixed),
            ("perhaps repaired", self.in_doubt),
            ("reported", self.reported),
        )
        done = [word for word, holds in words if holds]
        rows = f" (rows of {self.rows})" if self.rows else ""
        return f"{self.id}: {' and '.join(done) or 'neither repaired nor reported'}{rows}"


class Verdict(_Record):
    """The outcome of one submission.

    ``reward`` lies in [0, 1] and is 1 exactly for a pass.
    """

    passed: bool
    reward: float = Field(ge=0, le=1)
    failure_reason: FailureReason | None
    detail: str = ""
    checks: tuple[CheckResult, ...] = ()
    bugs: tuple[BugResult, ...] = ()
    false_alarms: tuple[int, ...] = Field(default=(), description="indices of report entries")
    metrics: dict[str, float] = Field(default_factory=dict)
    confined: bool = False
    sandbox: str = "none"
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class ReportEntry(_Record):
    """One entry of the bug report. ``rows``: lists of ids; a list of plain ids is taken, too."""

    clause: str
    cell: str
    quote: str
    explanation: str = ""
    rows: list[str | int | list[str | int]] = []
