"""The scripts beside the package still fit it: each can be loaded and says how it is called."""

import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
ROOT = Path(__file__).parents[1]
SCRIPTS = [
    script
    for folder in ("benchmarks", "runs")
    for script in sorted((ROOT / folder).glob("*.py"))
    if script.name not in ("people.py", "cards.py")  # no script; without arguments
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_says_how_it_is_called(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    monkeypatch.syspath_prepend(str(script.parent))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: {script.name}") and script.name in said.split("usage:", 1)[1].split("\n", 1)[1]


def test_the_model_cards_page_is_what_its_script_writes() -> None:
    script = runpy.run_path(str(ROOT / "runs" / "cards.py"), run_name="cards")
    assert (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8") == script["page"]()


def test_the_papers_page_holds_the_claims_of_the_results() -> None:
    script = runpy.run_path(str(ROOT / "runs" / "paper_results.py"), run_name="paper_results")
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    assert script["page_with"](page, (ROOT / "results" / "stand-ins" / "claims.md").read_text(encoding="utf-8")) == page
    with pytest.raises(SystemExit, match="lacks the lines"):
        script["page_with"]("no marks", "claims")
