"""Measured figures written down: result rows as JSON-able values, and tables as Markdown.

>>> print(table_head("model", "AUC") + table_line("mine", with_interval(0.9, 0.85, 0.95)), end="")
| model | AUC |
|---|---|
| mine | 0.900 [0.850, 0.950] |
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from tamperlens.types import ResultRow

__all__ = [
    "cell_of",
    "rows_of_record",
    "rows_record",
    "rows_to_markdown",
    "table_head",
    "table_line",
    "to_table",
    "with_interval",
]


def rows_record(rows: Sequence[ResultRow]) -> list[dict[str, Any]]:
    """Result rows as JSON-able values; what is undefined is null."""
    return [
        {"model": row.model, "subset": row.subset, "metric": row.metric, "n": row.count}
        | {name: None if math.isnan(value := getattr(row, name)) else round(value, 4) for name in ("value", "low", "high")}
        for row in rows
    ]


def rows_of_record(record: Sequence[dict[str, Any]]) -> list[ResultRow]:
    """The rows that `rows_record` wrote down."""
    return [
        ResultRow(row["model"], row["subset"], row["metric"], _nan(row["value"]), _nan(row["low"]), _nan(row["high"]), row["n"])
        for row in record
    ]


def rows_to_markdown(rows: Sequence[ResultRow]) -> str:
    """Result rows as a table: a line per model and subset, a column per metric, intervals in brackets, "-" where undefined."""
    metrics = list(dict.fromkeys(row.metric for row in rows))
    lines = []
    for model, subset in dict.fromkeys((row.model, row.subset) for row in rows):
        own = {row.metric: row for row in rows if (row.model, row.subset) == (model, subset)}
        count = max(row.count for row in own.values())
        lines.append((model, subset, count, *(cell_of(own.get(metric)) for metric in metrics)))
    return to_table(("model", "subset", "n", *metrics), lines)


def to_table(header: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    """A Markdown table of these cells."""
    return table_head(*header) + "".join(table_line(*line) for line in lines)


def table_head(*columns: object) -> str:
    """The first two lines of a Markdown table, for whoever prints the others one by one."""
    return table_line(*columns) + "|" + "---|" * len(columns) + "\n"


def table_line(*cells: object) -> str:
    """A further line."""
    return f"| {' | '.join(map(str, cells))} |\n"


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def cell_of(row: ResultRow | None) -> str:
    """A row's figure with its interval in brackets, "-" where it is undefined or there is no row."""
    return with_interval(row.value, row.low, row.high) if row else "-"


def with_interval(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """A figure and its interval to three places, as in "0.912 [0.880, 0.941]"; "-" where it is undefined."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if math.isnan(low) else f"{value:.3f} [{low:.3f}, {high:.3f}]"
