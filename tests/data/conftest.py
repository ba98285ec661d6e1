import shutil
from pathlib import Path

import pytest

from trees import build_tree


@pytest.fixture(scope="session")
def clean_tree(tmp_path_factory) -> Path:
    """Raw and c23, two methods, one pair: not to be changed."""
    return build_tree(tmp_path_factory.mktemp("clean"), levels=("raw", "c23"))


@pytest.fixture
def tree(clean_tree, tmp_path) -> Path:
    """A copy to plant defects in."""
    return Path(shutil.copytree(clean_tree, tmp_path / "tree"))
