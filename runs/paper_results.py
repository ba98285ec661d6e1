"""What is committed of a report of `tamperlens paper`: its tables under results/, its claims on docs/paper.md.

    tamperlens paper PHOTOS --config runs/paper-standins.toml --out OUT
    python runs/paper_results.py OUT

Of the pictures the curves are taken over, not those that show portraits. `--check` changes nothing and says whether
docs/paper.md holds the claims that lie under results/.
"""

import argparse
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "results" / "stand-ins", ROOT / "docs" / "paper.md"
BEGIN, END = "<!-- claims: written by runs/paper_results.py -->\n", "<!-- end of claims -->\n"


def page_with(page: str, claims: str) -> str:
    """The page with these claims between its marks."""
    before, found, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise SystemExit(f"{PAGE} lacks the lines {BEGIN.strip()} and {END.strip()}: put them where the claims belong")
    return f"{before}{BEGIN}\n{claims.strip()}\n\n{END}{after}"


def main() -> None:
    """Read the arguments, copy, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, nargs="?", help="the folder that tamperlens paper wrote")
    parser.add_argument("--check", action="store_true", help="only see whether the page holds the claims of results/")
    arguments = parser.parse_args()
    if arguments.check or arguments.report is None:
        claims = (RESULTS / "claims.md").read_text(encoding="utf-8")
        fits = page_with(PAGE.read_text(encoding="utf-8"), claims) == PAGE.read_text(encoding="utf-8")
        raise SystemExit(0 if fits else f"{PAGE} does not hold the claims of {RESULTS}: run this script on the report")
    names = ("claims.md", "tables.md", "costs.json")
    if missing := [name for name in names if not (arguments.report / name).exists()]:
        raise SystemExit(f"{arguments.report} holds no {', '.join(missing)}; give the --out of tamperlens paper")
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    for name in names:
        shutil.copy(arguments.report / name, RESULTS / name)
    for table in sorted((arguments.report / "tables").glob("*.csv")):
        shutil.copy(table, RESULTS / table.name)
    for curves in sorted((arguments.report / "figures").glob("curves-*.png")):
        shutil.copy(curves, RESULTS / curves.name)
    claims = (RESULTS / "claims.md").read_text(encoding="utf-8")
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), claims), encoding="utf-8")
    print(f"{RESULTS} and {PAGE} are those of {arguments.report}; say in results/README.md when and on what it ran")


if __name__ == "__main__":
    main()
