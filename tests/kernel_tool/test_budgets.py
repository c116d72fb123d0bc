"""What happens when calls or execution time run out."""

from __future__ import annotations

from kernel_tool.results import Fault


async def test_after_the_last_call_only_submit_is_served(open_session):
    async with open_session(max_calls=2) as session:
        first = await session.call("read_notebook", {})
        assert "[left:" not in first.text and not session.exhausted
        second = await session.call("read_notebook", {})
        assert "[left: 0 of 2 calls" in second.text and session.exhausted
        for name in ("read_notebook", "run_code", "nonsense"):
            result = await session.call(name, {"code": "1"})
            assert result.fault is Fault.MODEL and "Only submit is left" in result.text
        assert session.status().calls == session.calls == 2
        assert not (await session.call("submit", {"bugs": []})).is_error
    assert session.submission is not None


async def test_execution_stops_when_its_time_is_used_up(open_session):
    async with open_session(kernel_seconds=1.0) as session:
        code = "import time\nprint('begun', flush=True)\ntime.sleep(60)"
        result = await session.call("run_code", {"code": code, "timeout_seconds": 50})
        assert "begun" in result.text and "timeout" in result.text
        assert "0 of 1 s of execution time" in result.text
        assert session.exhausted and session.kernel_seconds >= 1
        refused = await session.call("run_cells", {"cells": "all"})
        assert refused.fault is Fault.MODEL and "execution time is used up" in refused.text
        edited = await session.call("edit_cell", {"cell_id": "setup", "source": "x = 2"})
        assert not edited.is_error
        assert not (await session.call("submit", {"bugs": []})).is_error


async def test_the_status_says_what_was_used(open_session):
    async with open_session(max_calls=9, kernel_seconds=100) as session:
        await session.call("run_code", {"code": "sum(range(10**6))"})
        status = session.status()
    assert (status.calls, status.max_calls, status.max_kernel_seconds) == (1, 9, 100)
    assert 0 < status.kernel_seconds < 100 and status.cpu_seconds > 0
