"""Executing code: state, time limits, deaths, floods."""

from __future__ import annotations

import asyncio
import time

from kernel_tool.execution import OutputCaps
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.outputs import error_text, output_text

STUBBORN = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"


async def text(kernel: Kernel, code: str) -> str:
    execution = await kernel.execute(code, 30)
    assert execution.status == "ok", execution
    return output_text(execution.outputs)


async def test_variables_stay_between_executions_and_results_are_counted(kernel):
    await text(kernel, "x = 20")
    execution = await kernel.execute("x + 1", 30)
    assert execution.outputs == [
        {
            "output_type": "execute_result",
            "data": {"text/plain": "21"},
            "metadata": {},
            "execution_count": 2,
        }
    ]
    assert execution.execution_count == 2


async def test_text_of_one_stream_is_one_output(kernel):
    code = "import sys\nfor i in range(50): print(i, flush=True)\nprint('oh', file=sys.stderr)"
    execution = await kernel.execute(code, 30)
    assert [(o["name"], o["text"]) for o in execution.outputs] == [
        ("stdout", "".join(f"{i}\n" for i in range(50))),
        ("stderr", "oh\n"),
    ]


async def test_a_silent_execution_is_not_counted(kernel):
    await kernel.execute("x = 1", 30, silent=True)
    assert (await kernel.execute("x", 30)).execution_count == 1


async def test_an_error_is_an_output(kernel):
    execution = await kernel.execute("print('before')\n1 / 0", 30)
    assert execution.status == "error"
    assert error_text(execution.outputs) == "ZeroDivisionError: division by zero"
    assert output_text(execution.outputs).startswith("before\n")


async def test_at_the_time_limit_output_and_variables_are_kept(kernel):
    code = "import time\nx = 5\nprint('printed', flush=True)\ntime.sleep(60)"
    execution = await kernel.execute(code, 0.5)
    assert execution.status == "timeout"
    assert "time limit of 0.5 s" in execution.note
    assert "printed" in output_text(execution.outputs)
    assert await text(kernel, "x") == "5"


async def test_interrupt_from_outside(kernel):
    running = asyncio.create_task(kernel.execute("import time\nx = 7\ntime.sleep(60)", 60))
    await asyncio.sleep(1)
    kernel.interrupt()
    execution = await asyncio.wait_for(running, 20)
    assert execution.status == "error"
    assert error_text(execution.outputs).startswith("KeyboardInterrupt")
    assert await text(kernel, "x") == "7"


async def test_a_kernel_that_ignores_interrupts_is_replaced(kernel):
    await text(kernel, "x = 1")
    execution = await kernel.execute(STUBBORN, 0.5)
    assert execution.status == "died"
    assert "did not stop" in execution.note
    assert (await kernel.execute("x", 30)).status == "error"


async def test_exit_is_noticed_at_once_and_the_kernel_replaced(kernel):
    started = time.monotonic()
    execution = await kernel.execute("import os; os._exit(3)", 60)
    assert execution.status == "died"
    assert "code 3" in execution.note
    assert time.monotonic() - started < 20
    assert await text(kernel, "1 + 1") == "2"


async def test_a_crash_is_reported_with_its_cause(kernel):
    execution = await kernel.execute("import ctypes; ctypes.string_at(0)", 60)
    assert execution.status == "died"
    assert "SIGSEGV" in execution.note
    assert "Segmentation fault" in execution.note


async def test_a_death_by_any_signal_is_told_and_its_cpu_time_counted(kernel):
    code = "import os, time\nwhile time.process_time() < 1: pass\nos.kill(os.getpid(), 50)"
    execution = await kernel.execute(code, 60)
    assert execution.status == "died" and "signal 50" in execution.note
    assert kernel.cpu_seconds() >= 1


async def test_code_that_handles_the_interrupt_has_timed_out_all_the_same(kernel):
    code = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('saved')"
    execution = await kernel.execute(code, 0.5)
    assert execution.status == "timeout"
    assert output_text(execution.outputs) == "saved"


async def test_a_kernel_that_dies_between_executions_is_replaced(kernel):
    await text(kernel, "import os, threading\nthreading.Timer(0.3, os._exit, [1]).start()")
    await asyncio.sleep(1.5)
    assert (await kernel.execute("1", 30)).status == "died"
    assert await text(kernel, "1 + 1") == "2"


async def test_quitting_replaces_the_kernel(kernel):
    execution = await kernel.execute("exit()", 30)
    assert execution.status == "died"
    assert "asked the kernel to exit" in execution.note
    assert await text(kernel, "1 + 1") == "2"


async def test_input_fails_at_once(kernel):
    execution = await kernel.execute("input('?')", 60)
    assert execution.status == "error"
    assert error_text(execution.outputs).startswith("StdinNotImplementedError")
    assert execution.seconds < 30


async def test_help_is_shown(kernel):
    assert "number of items" in await text(kernel, "len?")


async def test_a_flood_is_interrupted_and_its_head_and_tail_kept(workspace):
    caps = OutputCaps(kept_bytes=100_000, flood_bytes=4_000_000)
    async with Kernel(Launcher(), workspace, caps) as kernel:
        execution = await kernel.execute("x = 1\nwhile True: print('flood ' * 100)", 60)
        assert execution.status == "error"
        assert "printed too much" in execution.note
        assert execution.dropped_bytes > 1_000_000
        kept = execution.outputs[0]["text"]
        assert kept.startswith("flood flood") and len(kept) < 110_000
        assert await text(kernel, "x") == "1"


async def test_a_huge_message_is_counted_and_not_kept(kernel):
    execution = await kernel.execute("print('y' * 40_000_000)", 60)
    assert execution.status == "ok"
    assert execution.outputs == []
    assert execution.dropped_bytes > 40_000_000


async def test_outputs_come_again_after_a_message_too_large_for_the_wire(kernel):
    execution = await kernel.execute("print('y' * 150_000_000)", 90)
    assert execution.status == "ok"
    assert "too large" in execution.note
    assert await text(kernel, "print('back')") == "back"


async def test_a_progress_bar_leaves_its_last_state(kernel):
    code = (
        "from IPython.display import clear_output\n"
        "for i in range(5):\n    clear_output(wait=True)\n    print('step', i)"
    )
    assert await text(kernel, code) == "step 4"


async def test_a_display_can_be_updated(kernel):
    code = "h = display('first', display_id=True)\nh.update('second')"
    assert await text(kernel, code) == "'second'"


async def test_cpu_seconds_add_up_over_restarts(kernel):
    spin = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    await text(kernel, spin)
    first = kernel.cpu_seconds()
    assert first >= 0.5
    await kernel.restart()
    await text(kernel, spin)
    assert kernel.cpu_seconds() >= first + 0.5
    await kernel.shutdown()
    assert kernel.cpu_seconds() >= first + 0.5


async def test_a_cancelled_execution_leaves_a_usable_kernel(kernel):
    running = asyncio.create_task(kernel.execute("import time\ntime.sleep(60)", 60))
    await asyncio.sleep(0.7)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await text(kernel, "'fresh'") == "'fresh'"
