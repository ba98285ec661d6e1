"""Functions of the package at random, with the first line of their file: do room and file tell where each belongs?

python benchmarks/random_functions.py [--seed 12] [--count 15]
"""

import argparse
import ast
import random
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "tamperlens"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--count", type=int, default=15)
    arguments = parser.parse_args()
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        about = (ast.get_docstring(tree) or "").split("\n")[0]
        names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and not node.name.startswith("__")]
        found += [(path.relative_to(PACKAGE).as_posix(), name, about) for name in names]
    print(f"{arguments.count} of {len(found)} functions, seed {arguments.seed}\n")
    for file, name, about in random.Random(arguments.seed).sample(found, arguments.count):
        print(f"{file}: {name}\n    {about}")


if __name__ == "__main__":
    main()
