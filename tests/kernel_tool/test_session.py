"""The tools as a model meets them."""

from __future__ import annotations

import asyncio
import json
import re

import nbformat
import pytest

from kernel_tool.kernel import Kernel
from kernel_tool.limits import RenderCaps
from kernel_tool.results import Fault, Image
from kernel_tool.session import Session


async def ok(session: Session, name: str, **arguments) -> str:
    result = await session.call(name, arguments)
    assert result.fault is None, result.text
    return result.text


async def refused(session: Session, name: str, arguments) -> str:
    result = await session.call(name, arguments)
    assert result.fault is Fault.MODEL, result.text
    return result.text


def test_definitions_are_inline_and_explain_every_parameter(open_session):
    definitions = open_session(cell_timeout=77).definitions
    assert [tool["name"] for tool in definitions] == [
        "read_notebook",
        "edit_cell",
        "insert_cell",
        "delete_cell",
        "run_cells",
        "run_code",
        "restart_kernel",
        "submit",
    ]
    text = json.dumps(definitions)
    assert "$ref" not in text and "null" not in text and "{cell" not in text
    assert "Seconds that each cell may run; default 77." in text
    for tool in definitions[:-1]:
        assert tool["description"] and tool["input_schema"]["type"] == "object"
        assert all(part["description"] for part in tool["input_schema"]["properties"].values())


async def test_read_edit_run(session):
    assert "--- cell setup (code)\n   1| x = 1" in await ok(session, "read_notebook")
    await ok(session, "edit_cell", cell_id="setup", old="x = 1", new="x = 3")
    assert "x is 3" in await ok(session, "run_cells", cells=["setup"])
    assert "y is 6" in await ok(session, "run_cells", cells=["double"])
    assert "9" in await ok(session, "run_code", code="x * 3")
    original = await ok(session, "read_notebook", cells=["setup"], original=True)
    assert "x = 1" in original
    after = await ok(session, "read_notebook", cells=["setup", "double"], outputs=True)
    assert "x = 3" in after and "y is 6" in after


async def test_the_workspace_copy_follows_every_change(session):
    await ok(session, "edit_cell", cell_id="setup", source="x = 5\nx")
    await ok(session, "run_cells", cells="setup")
    new = re.search(r"Cell (\w+) ", await ok(session, "insert_cell", after="start", source="1"))[1]
    await ok(session, "delete_cell", cell_id="last")
    saved = nbformat.read(session.notebook_path, as_version=4)
    assert [cell.id for cell in saved.cells] == [new, "intro", "setup", "double", "fails"]
    setup = saved.cells[2]
    assert setup.source == "x = 5\nx"
    assert setup.execution_count == 1 and setup.outputs[0].data == {"text/plain": "5"}


async def test_run_all_starts_fresh_and_stops_at_the_first_error(session):
    await ok(session, "run_code", code="import builtins\nbuiltins.stale = x = 99")
    shown = await ok(session, "run_cells", cells="all")
    assert "x is 1" in shown and "y is 2" in shown and "ZeroDivisionError" in shown
    assert "Not run: last." in shown
    assert "NameError" in await ok(session, "run_code", code="stale")
    assert session.model_errors == session.tool_errors == 0


async def test_restart_kernel_forgets_variables(session):
    await ok(session, "run_code", code="x = 1")
    await ok(session, "restart_kernel")
    assert "NameError" in await ok(session, "run_code", code="x")


async def test_a_timeout_keeps_output_and_state(session):
    code = "import time\nx = 8\nprint('on my way', flush=True)\ntime.sleep(60)"
    shown = await ok(session, "run_code", code=code, timeout_seconds=0.5)
    assert "timeout, variables kept" in shown and "on my way" in shown
    assert "8" in await ok(session, "run_code", code="x")


async def test_a_dead_kernel_is_replaced_and_the_loss_told(session):
    shown = await ok(session, "run_code", code="import os; os._exit(9)")
    assert "died" in shown and "all variables are gone" in shown and "code 9" in shown
    assert "2" in await ok(session, "run_code", code="1 + 1")


async def test_long_text_is_capped_and_the_whole_can_be_read_in_the_kernel(session):
    shown = await ok(session, "run_code", code="print('\\n'.join(map(str, range(100_000))))")
    assert len(shown) < 21_000 and "left out" in shown and shown.count("99999") == 1
    path = re.search(r"in the file (\S+):", shown)[1]
    read = f"text = open({path!r}).read()\nprint('50000' in text, len(text) > 500_000)"
    assert "True True" in await ok(session, "run_code", code=read)


async def test_a_folder_for_long_text_that_leads_outside_is_not_followed(session, tmp_path):
    await ok(session, "run_code", code=f"import os; os.symlink({str(tmp_path)!r}, '.outputs')")
    shown = await ok(session, "run_code", code="print('x' * 100_000)")
    assert "could not be written" in shown
    assert not list(tmp_path.glob("*.txt"))


async def test_plots_come_as_images_downscaled_and_capped(open_session):
    code = (
        "import io\nfrom PIL import Image\nfrom IPython.display import Image as Show\n"
        "for i in range(4):\n"
        "    held = io.BytesIO(); Image.new('RGB', (2400, 1200)).save(held, 'PNG')\n"
        "    display(Show(held.getvalue()))"
    )
    async with open_session(shown=RenderCaps(images=3, image_side=600)) as session:
        result = await session.call("run_code", {"code": code})
    images = [part for part in result.content if isinstance(part, Image)]
    assert len(images) == 3
    assert all(int.from_bytes(image.data[16:20], "big") == 600 for image in images)
    assert "1 more plots left out" in result.text


async def test_a_matplotlib_plot_is_an_image(session):
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    result = await session.call("run_code", {"code": code})
    assert [type(part) for part in result.content][1:] == [Image]
    assert result.content[1].data.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("run_cell", {}, "There is no tool 'run_cell'. The tools: read_notebook, edit_cell"),
        ("edit_cell", {"cell_id": "setpu", "source": "1"}, "Did you mean setup?"),
        ("edit_cell", {"cell_id": "setup"}, "either both `old` and `new`, or `source` alone"),
        ("edit_cell", {"id": "setup", "source": "1"}, "there is no parameter `id`"),
        ("edit_cell", {"source": "1"}, "`cell_id` is missing"),
        ("edit_cell", {"cell_id": "setup", "old": "x", "new": "y"}, "occurs 3 times"),
        ("edit_cell", {"cell_id": "setup", "old": "x = 2", "new": ""}, "   1| x = 1"),
        ("insert_cell", {"after": "nope", "source": ""}, "The cells are: intro, setup"),
        ("insert_cell", {"after": "setup"}, "after: string, source: string, cell_type: "),
        ("run_cells", {"cells": ["setup", "gone"]}, "no cell 'gone'"),
        ("run_cells", {"cells": ["intro"]}, "Only code cells can be run"),
        ("run_cells", {"cells": 7}, 'cells: array of string or "all"'),
        ("run_code", {"code": "1", "timeout_seconds": -1}, "`timeout_seconds`: "),
        ("run_code", {"code": "1", "timeout_seconds": "soon"}, "`timeout_seconds`: "),
        ("run_code", ["1"], "must be one JSON object"),
        ("run_code", "print(1)", "must be one JSON object"),
        ("restart_kernel", {"now": True}, "It takes no parameters."),
        ("submit", {}, "`bugs` must be a list"),
    ],
)
async def test_wrong_calls_are_answered_with_what_would_be_right(
    open_session, name, arguments, says
):
    # No kernel is needed to say so, and starting one for each would take most of the time.
    session = open_session()
    session._open = True
    assert says in await refused(session, name, arguments)
    assert session.model_errors == 1 and session.tool_errors == 0 and session.submission is None


async def test_clear_intent_is_enough(session):
    assert "x is 1" in await ok(session, "run_cells", cells="setup")
    assert "y is 2" in await ok(session, "run_cells", cells='["setup", "double"]')
    result = await session.call("run_code", '{"code": "6 * 7", "timeout_seconds": "9"}')
    assert "42" in result.text and not result.is_error
    assert not (await session.call("read_notebook", None)).is_error


async def test_submit_is_refused_then_accepted_then_over(session):
    assert "Not submitted" in await refused(session, "submit", {"bugs": "none"})
    await ok(session, "edit_cell", cell_id="setup", source="x = 4")
    assert "over" in await ok(session, "submit", bugs='[{"cell": "setup"}]')
    submission = session.submission
    assert submission.report == {"bugs": [{"cell": "setup"}]}
    assert submission.notebook.cells[1].source == "x = 4"
    assert "The episode is over" in await refused(session, "edit_cell", {"cell_id": "setup"})
    assert "The episode is over" in await refused(session, "submit", {"bugs": []})
    assert session.submission is submission


async def test_calls_are_served_one_at_a_time(session):
    code = "import time\nprint('start {0}'); time.sleep(0.3); print('end {0}')"
    results = await asyncio.gather(
        *(ok(session, "run_code", code=code.format(i)) for i in range(3))
    )
    for number, shown in enumerate(results):
        assert f"start {number}\nend {number}" in shown


async def test_a_failure_of_the_machinery_is_told_and_not_raised(session, monkeypatch):
    async def broken(*_) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(Kernel, "execute", broken)
        result = await session.call("run_code", {"code": "1"})
    assert result.fault is Fault.TOOL and "not your fault" in result.text
    assert session.tool_errors == 1
    assert "2" in await ok(session, "run_code", code="1 + 1")


async def test_a_closed_session_serves_nothing_and_starts_nothing(open_session):
    async with open_session() as session:
        pass
    assert (await session.call("run_code", {"code": "1"})).fault is Fault.TOOL
    assert session._kernel._connection is None


async def test_two_sessions_at_once(open_session):
    async with open_session() as one, open_session() as two:
        await asyncio.gather(ok(one, "run_code", code="x = 1"), ok(two, "run_code", code="x = 2"))
        shown = await asyncio.gather(*(ok(s, "run_code", code="x") for s in (one, two)))
    assert ["1" in shown[0].splitlines(), "2" in shown[1].splitlines()] == [True, True]
