"""A burst of invocations waits for a bounded number of processes."""

from concurrent.futures import ThreadPoolExecutor

from .conftest import Functions

MOST_ENVIRONMENTS = 4
TAKES_A_MOMENT = """
import os, time

def handler(event, context):
    time.sleep(0.2)
    return os.getpid()
"""


def test_a_burst_is_served_completely_by_a_bounded_number_of_processes(functions: Functions) -> None:
    functions.create("burst", TAKES_A_MOMENT, Timeout=3)
    with ThreadPoolExecutor(max_workers=20) as callers:
        outcomes = list(callers.map(lambda _: functions.invoke("burst"), range(20)))
    assert [outcome.function_error for outcome in outcomes] == [None] * 20
    assert 1 < len({outcome.payload for outcome in outcomes}) <= MOST_ENVIRONMENTS


def test_new_code_is_used_by_the_next_call(functions: Functions) -> None:
    functions.create("renewed", "def handler(event, context): return 'old'")
    assert functions.invoke("renewed").payload == "old"
    functions.update("renewed", "def handler(event, context): return 'new'")
    assert functions.invoke("renewed").payload == "new"
