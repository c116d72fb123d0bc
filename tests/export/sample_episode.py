"""What happens in the sample trial: six turns, with plots, errors and a note."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from PIL import Image as Canvas
from PIL import ImageDraw
from sample_notebook import BROKEN, REPORT

from grader.agents.base import ToolCall, Turn, Usage
from grader.transcript import End, Event, Note, ResultEvent, Start, TurnEvent
from kernel_tool.results import Fault, Image, Text, ToolResult

Scripted = tuple[str, dict[str, Any], ToolResult]

PROMPT = """# Repair the notebook

The notebook `transits.ipynb` trains a classifier of light curves. It runs without an error, and it
**does not do what its protocol says**.

1. Find every place where the code or the data break a clause.
2. Repair it. The seams stay: `load_curves`, `make_model`, `train`.
3. File a bug report: one entry a bug.

| limit | value |
|---|---|
| tool calls | 40 |
| false alarms | 1 |

```python
report = [{"clause": "P3", "cell": "schedule", "quote": "...", "explanation": "..."}]
```
"""

TOOLS = [
    {
        "name": name,
        "description": text,
        "input_schema": {"type": "object", "properties": {}},
    }
    for name, text in [
        ("read_notebook", "Returns all cells with their ids, types and sources."),
        ("edit_cell", "Replaces `old` by `new` in a cell. `old` must occur exactly once."),
        ("run_cells", "Runs cells in the kernel; plots come back as images."),
        ("run_code", "Runs scratch code in the kernel; the notebook stays as it is."),
        ("submit", "Hands in the notebook and the bug report."),
    ]
]


def png(color: str = "#d8452e") -> bytes:
    """A small plot."""
    canvas = Canvas.new("RGB", (480, 220), "white")
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((40, 15, 460, 190), outline="#888888")
    points = [(40 + 6 * k, 180 - 150 * (1 - 0.95**k)) for k in range(70)]
    draw.line(points, fill=color, width=3)
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()


LISTING = "\n\n".join(f"[{key}] {kind}\n{text}" for key, (kind, text) in BROKEN.items())
TRACE = (
    "\x1b[0;31mNameError\x1b[0m  Traceback (most recent call last)\n"
    "Cell In[4], line 1\n\x1b[0;32m----> 1\x1b[0m history\n"
    "\x1b[0;31mNameError\x1b[0m: name 'history' is not defined"
)

# Text, thinking, and the calls with their answers.
SCRIPT: list[tuple[str, str, list[Scripted]]] = [
    (
        "I'll read the notebook first.",
        "Let me look at the whole notebook before I run anything.\n\n- clauses\n- data",
        [("read_notebook", {}, ToolResult((Text(LISTING),)))],
    ),
    (
        "Now a look at the **data** and at the learning rate.",
        "",
        [
            (
                "run_code",
                {"code": "import numpy as np\n# medians per star\nprint(np.median(curves))\n"},
                ToolResult((Text("0.9987"), Image(png()))),
            ),
            (
                "run_code",
                {"code": "history", "timeout": 60},
                ToolResult((Text(TRACE),), Fault.MODEL),
            ),
        ],
    ),
    (
        "The schedule counts micro-batches. In the protocol:\n\n> P3 The schedule counts "
        "optimizer steps.\n\n## Repair\n\n```python\ntotal = EPOCHS * math.ceil(len(loader) / "
        "ACCUM)\n```",
        "len(loader) is micro-batches; accumulate 4 → a quarter as many steps.",
        [
            (
                "edit_cell",
                {
                    "cell": "schedule",
                    "old": "    total = EPOCHS * len(loader)\n",
                    "new": "    total = EPOCHS * math.ceil(len(loader) / ACCUM)\n",
                },
                ToolResult((Text("Edited cell schedule."),)),
            )
        ],
    ),
    (
        "",
        "",
        [
            (
                "run_cells",
                {"cells": ["imports", "data", "schedule", "ema", "train"]},
                ToolResult(
                    (
                        Text(
                            "\n".join(
                                f"epoch {k:2d}  loss {1.2 * 0.93**k:.4f}  accuracy "
                                f"{0.92 - 0.4 * 0.9**k:.4f}"
                                for k in range(40)
                            )
                        ),
                        Image(png("#2a64b0")),
                    )
                ),
            )
        ],
    ),
    (
        "",
        "",
        [
            (
                "run_cells",
                {"cells": ["train"]},
                ToolResult((Text("The kernel could not be reached; it is new."),), Fault.TOOL),
            )
        ],
    ),
    (
        "Everything holds. I submit.",
        "",
        [
            (
                "submit",
                {"report": [entry.model_dump() for entry in REPORT]},
                ToolResult((Text("Submitted."),)),
            )
        ],
    ),
]


def episode() -> list[Event]:
    """What happened, in six turns."""
    start = Start(
        task="transits",
        variant="hard",
        agent="claude",
        model="claude-x",
        seed=7,
        prompt=PROMPT,
        tools=TOOLS,
        time=1000.0,
    )
    events: list[Event] = [start]
    for n, turn in enumerate(SCRIPT, start=1):
        events += _turn(n, 1000.0 + 30 * n, *turn)
        if n == 4:
            events.append(Note(text="10 of 40 tool calls are left.", time=1000.0 + 30 * n + 9))
    return [*events, End(reason="submitted", time=1190.0)]


def _turn(
    n: int, clock: float, text: str, thinking: str, scripted: list[Scripted]
) -> Iterator[Event]:
    calls = [ToolCall(f"toolu_{n}_{k}", name, x) for k, (name, x, _) in enumerate(scripted)]
    turn = Turn(text, thinking, tuple(calls), Usage(40, 812, 9100, 1300), "tool_use")
    yield TurnEvent.of(n, turn, 11.2).model_copy(update={"time": clock})
    for k, (call, (_, _, result)) in enumerate(zip(calls, scripted, strict=True), start=1):
        event = ResultEvent.of(call.id, call.name, result, 3.9)
        yield event.model_copy(update={"time": clock + 4 * k})
