"""Tables 1 to 4 of the paper, its numbers beside ours, as Markdown, CSV, LaTeX and HTML."""

import csv
import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tamperlens.data.readers.methods import METHODS
from tamperlens.metrics.rows import to_table
from tamperlens.types import ResultRow

__all__ = [
    "FROM_IMAGENET",
    "PUBLISHED_NAMES",
    "TABLES",
    "PaperTable",
    "Sheet",
    "lay_out",
    "published",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
]

FROM_IMAGENET = "+imagenet"  # ends the name of a model that began from ImageNet weights
PUBLISHED_NAMES = {"mesonet": "mesoinception4"}  # the paper's name: ours
_PUBLISHED = Path(__file__).parent / "published.csv"


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's tables: which models it lists, and by which figures."""

    number: int
    title: str
    metrics: tuple[str, ...]


TABLES = (
    PaperTable(1, "Classification accuracy", ("accuracy",)),
    PaperTable(2, "Localisation", ("miou", "bg_iou", "fg_iou")),
    PaperTable(3, "Depth: mIoU of segmentation models", ("miou",)),
    PaperTable(4, "ImageNet initialisation: mIoU of segmentation models", ("miou",)),
)
METRIC_NAMES = {"accuracy": "accuracy", "miou": "mIoU", "bg_iou": "Bg-IoU", "fg_iou": "Fg-IoU"}


@dataclass(frozen=True)
class Sheet:
    """A table laid out: cells of text, and the notes that belong below it."""

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


@cache
def published() -> dict[tuple[int, str, bool | None, str, str], float]:
    """The paper's numbers in percent: (table, model, ImageNet initialisation, metric, column) -> value."""
    found = {}
    with open(_PUBLISHED, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            network, _, task = row["model"].rpartition("-")
            name = f"{PUBLISHED_NAMES.get(network, network)}-{task}"
            start = {"yes": True, "no": False}.get(row["pretrained"])
            for column in ("DF", "F2F", "FS", "NT", "P", "Avg"):
                if row[column]:
                    found[int(row["table"]), name, start, row["metric"], column] = float(row[column])
    return found


def lay_out(
    table: PaperTable, results: Mapping[str, Sequence[ResultRow]], methods: Sequence[str], notes: Sequence[str]
) -> Sheet:
    """A table with a line per model and figure: ours with its interval, then the paper's in brackets, all in percent.

    ``results``: rows by model name, to which `FROM_IMAGENET` is added where it began from ImageNet weights. ``methods``: the
    codes of the store's manipulation methods; a stand-in stands in its original's column and is named in the header. What was
    not measured is empty, what is undefined "-".
    """
    columns = [*methods, "P", "Avg"]
    lines = []
    for name, start in _models(table, results):
        rows = {(row.subset, row.metric): row for row in results.get(f"{name}{FROM_IMAGENET}" if start else name, ())}
        for metric in table.metrics:
            cells = []
            for column in columns:
                subset = {"P": "pristine", "Avg": "average"}.get(column, column)
                ours = _percent(rows.get((subset, metric))) if rows else ""
                theirs = published().get((table.number, name, start, metric, _original(column)))
                cells.append(" ".join(filter(None, (ours, "" if theirs is None else f"({theirs:g})"))))
            shown = f"{name}, ImageNet" if start else f"{name}, random" if start is False else name
            lines.append((shown, METRIC_NAMES[metric], *cells))
    header = ("model", "figure", *(_heading(column) for column in columns))
    return Sheet(f"Table {table.number}. {table.title}", header, tuple(lines), tuple(notes))


def _models(table: PaperTable, results: Iterable[str]) -> list[tuple[str, bool | None]]:
    """The paper's lines; below those of Tables 1, 2 and 4 those that only we have measured."""
    theirs = [(name, start) for number, name, start, _, _ in published() if number == table.number]
    ours: list[tuple[str, bool | None]] = []
    for name in results:
        scratch = name.removesuffix(FROM_IMAGENET)
        if table.number in (1, 2) and name == scratch:
            ours.append((name, None))
        if table.number == 4 and name != scratch:
            ours += [(scratch, True), (scratch, False)]
    return list(dict.fromkeys([*theirs, *ours]))


def _original(column: str) -> str:
    """The paper's column of one of ours: sDF stands in for DF."""
    return (METHODS[column].stands_for if column in METHODS else "") or column


def _heading(column: str) -> str:
    return f"{column} (stand-in)" if _original(column) != column else column


def _percent(row: ResultRow | None) -> str:
    if row is None:
        return "-"
    interval = "" if math.isnan(row.low) else f" [{100 * row.low:.1f}, {100 * row.high:.1f}]"
    return f"{100 * row.value:.1f}{interval}"


def to_markdown(sheet: Sheet) -> str:
    """A heading, the table, its notes."""
    table = to_table(sheet.header, sheet.lines)
    return "\n".join([f"### {sheet.title}", "", table, *(f"{note}  " for note in sheet.notes), ""])


def to_csv(sheet: Sheet) -> str:
    """The cells as they are, the header first."""
    return "\n".join(",".join(f'"{cell}"' for cell in line) for line in (sheet.header, *sheet.lines)) + "\n"


def to_latex(sheet: Sheet) -> str:
    """A booktabs table."""

    def row(cells: Sequence[str]) -> str:
        return " & ".join(cell.replace("%", r"\%").replace("_", r"\_") for cell in cells) + r" \\"

    caption = " ".join((sheet.title, *sheet.notes)).replace("_", r"\_").replace("%", r"\%")
    return "\n".join(
        (
            r"\begin{table}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{'l' * 2 + 'r' * (len(sheet.header) - 2)}}}",
            r"\toprule",
            row(sheet.header),
            r"\midrule",
            *(row(line) for line in sheet.lines),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        )
    )


def to_html(sheet: Sheet) -> str:
    """A table element with its caption and notes."""

    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "\n".join(row(line, "td") for line in sheet.lines)
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in sheet.notes)
    return (
        f"<section><h2>{html.escape(sheet.title)}</h2><div class=scroll><table>\n"
        f"<thead>{row(sheet.header, 'th')}</thead>\n<tbody>{body}</tbody></table></div>{notes}</section>\n"
    )
