"""The tool with which a solver hands in: its description and the schema of a bug report."""

from __future__ import annotations

from typing import Any

from task_spec.model import ReportRules
from task_spec.prompt import QUOTE_LINES, QUOTE_MIN

SUBMIT_DESCRIPTION = (
    "Hand in the notebook as it is now, together with your bug report. This ends the episode. If "
    "the report is malformed (a wrong field, an unknown clause or cell, a quote that does not "
    "stand in that cell as delivered) you are told so, nothing is handed in, and you can submit "
    "again."
)


def report_schema(rules: ReportRules) -> dict[str, Any]:
    """JSON schema of the arguments of ``submit``."""
    entry = {
        "type": "object",
        "properties": {
            "clause": {"type": "string", "description": 'The clause that the bug breaks: "P0".'},
            "cell": {
                "type": "string",
                "description": "Id of the cell of the notebook as delivered in which the bug sits.",
            },
            "quote": {
                "type": "string",
                "description": f"The wrong line of that cell as delivered, or a part of it of at "
                f"least {QUOTE_MIN} characters, or up to {QUOTE_LINES} adjacent lines. White space "
                f"does not matter.",
            },
            "explanation": {
                "type": "string",
                "description": "What is wrong and how you repaired it, for a human reader.",
            },
            "rows": {
                "type": "array",
                "items": {"type": "array", "items": {"type": "string"}},
                "description": "Only for a clause of which the task asks for rows: the affected "
                "ones, each a list of ids.",
            },
        },
        "required": ["clause", "cell", "quote", "explanation"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "bug_report": {
                "type": "array",
                "items": entry,
                "maxItems": rules.max_entries,
                "description": "One entry for each bug that you found.",
            }
        },
        "required": ["bug_report"],
        "additionalProperties": False,
    }
