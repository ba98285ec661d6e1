"""The paper's Figures 1, 5 and 6 of trained models on a store's test split."""

from pathlib import Path

from tamperlens.data.store import Store
from tamperlens.train_config import TrainConfig

__all__ = ["draw_figures"]


def draw_figures(store: Store, out: Path, names: list[str], config: TrainConfig) -> dict[str, Path]:
    """Captions and paths of the pictures drawn."""
    return {}
