"""Write docs/model-card.md from the cards of the shipped models.

python runs/cards.py
"""

from pathlib import Path

from tamperlens.models.card import ModelCard
from tamperlens.models.card_page import cards_page

ROOT = Path(__file__).parents[1]


def page() -> str:
    """All shipped cards as one page."""
    return cards_page(ModelCard.load(path) for path in sorted((ROOT / "src/tamperlens/models/weights").glob("*.json")))


if __name__ == "__main__":
    (ROOT / "docs/model-card.md").write_text(page(), encoding="utf-8")
