"""What all tests share. Nothing here imports torch: most tests do without it."""

import os
import sys
from collections.abc import Iterator

import pytest

#: Two for a run in one process; one where several processes run tests beside each other.
THREADS = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2


@pytest.fixture(autouse=True)
def few_threads() -> Iterator[None]:
    """Tests that use torch get few threads, so that they take as long on a large machine shared with others."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != THREADS:
        torch.set_num_threads(THREADS)
    yield
