"""Figures kept in a text file beside the script that writes them: a name and its numbers on each line."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path


def read(file: Path) -> dict[str, list[float]]:
    """The figures of each name; names may hold spaces that are written as underscores."""
    lines = [line.split() for line in file.read_text().splitlines() if not line.startswith("#")]
    return {name: [float(value) for value in values] for name, *values in lines}


def main(
    file: Path,
    about: str,
    names: Sequence[str],
    figures: Callable[[str], Sequence[float]],
    form: str,
    argv: Sequence[str] | None = None,
) -> None:
    """Write ``file`` anew, all of it or the lines named by ``--only``: a newcomer's line must not change the others.

    ``about`` is its first line, ``form`` how a figure is written, such as ".5g".
    """
    parser = argparse.ArgumentParser(description=f"Write {file.name} anew: only where a change is meant.")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help=f"some of {', '.join(names)}")
    chosen = parser.parse_args(argv).only or names
    lines = {line.split()[0]: line for line in file.read_text().splitlines()} if file.exists() else {}
    for name in chosen:
        lines[name] = f"{name} {' '.join(format(value, form) for value in figures(name))}"
    missing = [name for name in names if name not in lines]
    if missing:
        parser.error(f"{file.name} has no line of {', '.join(missing)}; name them too, or leave --only away")
    file.write_text("\n".join([f"# {about}", *(lines[name] for name in names)]) + "\n")
