"""What all tests share. Nothing here imports torch: most tests do without it."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Tests that use torch get two threads, so that they take as long on a large machine shared with others."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 2:
        torch.set_num_threads(2)
    yield
