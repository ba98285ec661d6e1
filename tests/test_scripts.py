"""The scripts beside the package still fit it: each can be loaded and says how it is called."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
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


def test_what_is_kept_was_judged_on_the_same_clips_on_whatever_machine() -> None:
    clips: dict[str, set[str]] = {}  # by the settings of their store
    for file in (ROOT / "results" / "kept" / "results").glob("*/own.npz"):
        with np.load(file) as arrays:
            for settings, of in json.loads(str(arrays["about"]))["stores"].values():
                clips.setdefault(settings, set()).add(of)
    assert clips and all(len(of) == 1 for of in clips.values())


def test_a_copy_of_what_was_judged_that_was_cut_is_made_again(tmp_path) -> None:
    bash, cp = shutil.which("bash"), shutil.which("cp")
    if bash is None or cp is None:
        pytest.skip("needs bash")
    for name in ("kept/results/a/own.npz", "kept/models/a/best.json", "kept/models/a/log.csv", "cut/cp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "cut" / "cp").write_text(f'#!{bash}\ncase "$*" in *best.json*) exit 1 ;; esac\nexec {cp} "$@"\n')
    (tmp_path / "cut" / "cp").chmod(0o755)
    command = [
        bash,
        str(ROOT / "runs" / "paper_standins.sh"),
        *(str(tmp_path / name) for name in ("photos", "w", "out", "kept")),
    ]
    nothing = os.environ | {"TAMPERLENS": "true", "PYTHON": "true"}
    cut = subprocess.run(command, env=nothing | {"PATH": f"{tmp_path / 'cut'}:{os.environ['PATH']}"}, check=False)
    assert cut.returncode == 1
    subprocess.run(command, env=nothing, check=True)
    copied = {path.name: path.read_text() for path in (tmp_path / "out").rglob("*.*") if path.is_file()}
    assert copied == {
        Path(name).name: name for name in ("kept/results/a/own.npz", "kept/models/a/best.json", "kept/models/a/log.csv")
    } | {"second.log": ""}
