"""Measured figures written down: result rows as JSON-able values and as Markdown."""

import math
from collections.abc import Sequence
from typing import Any

from tamperlens.types import ResultRow

__all__ = ["rows_of_record", "rows_record", "rows_to_markdown"]


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
    lines = [f"| model | subset | n | {' | '.join(metrics)} |", "|---|---|---|" + "---|" * len(metrics)]
    for model, subset in dict.fromkeys((row.model, row.subset) for row in rows):
        own = {row.metric: row for row in rows if (row.model, row.subset) == (model, subset)}
        count = max(row.count for row in own.values())
        cells = [_cell(own[metric]) if metric in own else "-" for metric in metrics]
        lines.append(f"| {model} | {subset} | {count} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def _cell(row: ResultRow) -> str:
    if math.isnan(row.value):
        return "-"
    interval = "" if math.isnan(row.low) else f" [{row.low:.3f}, {row.high:.3f}]"
    return f"{row.value:.3f}{interval}"
