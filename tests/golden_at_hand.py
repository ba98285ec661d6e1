"""Figures kept in a text file beside the script that writes them: a name and its numbers on each line."""

from pathlib import Path


def read(file: Path) -> dict[str, list[float]]:
    lines = [line.split() for line in file.read_text().splitlines() if not line.startswith("#")]
    return {name: [float(value) for value in values] for name, *values in lines}
