"""Tasks in processes of which one may die."""

import os
import time

import pytest

from tamperlens.processes import CRASHED, run_processes


def task(name: str) -> str:
    if name == "deadly":
        os._exit(1)
    if name == "slow":
        time.sleep(0.5)
    return name.upper()


@pytest.mark.parametrize("pause", [0.0, 1.0])  # seconds for which whoever asks is busy: the process dies meanwhile
def test_no_task_is_lost_where_a_process_dies(pause: float) -> None:
    found = {}
    for name, result in run_processes(task, ["a", "slow", "deadly", "b", "c"], workers=2):
        found[name] = result
        time.sleep(pause)
    assert found == {"a": "A", "slow": "SLOW", "deadly": CRASHED, "b": "B", "c": "C"}
