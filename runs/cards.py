"""Write docs/model-card.md from the cards of the shipped models.

python runs/cards.py
"""

from pathlib import Path

from tamperlens.models.card import ModelCard
from tamperlens.models.card_page import card_to_markdown

ROOT = Path(__file__).parents[1]
PAGE = """# Model cards

Written by `runs/cards.py` from the cards beside the weights, which `runs/ship.py`, `runs/measure.py`,
`runs/choose_aggregation.py` and `benchmarks/groups.py` write. All figures are
on this project's own forgeries of people held out from training, and on real photos; none is a FaceForensics++ figure.
Intervals are 95 %, by bootstrap over people, or Wilson's for shares. AUC is against all pristine crops of the same table;
accuracy is the share of crops given their class at the threshold for "manipulated", so of forged ones the share found. Crops
come from photos as photographed, forged, then delivered as the subset says. `mean-mask` in docs/log.md is the baseline:
it knows where faces are.

"""


def page() -> str:
    """All shipped cards as one page."""
    cards = [ModelCard.load(path) for path in sorted((ROOT / "src/tamperlens/models/weights").glob("*.json"))]
    return PAGE + "\n".join(card_to_markdown(card) for card in cards)


if __name__ == "__main__":
    (ROOT / "docs/model-card.md").write_text(page(), encoding="utf-8")
