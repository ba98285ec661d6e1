"""The report's page: one HTML file that needs no other."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tamperlens.bench.paper.claims import Claim, Finding, comparisons, summary_of
from tamperlens.bench.paper.tables import Sheet, to_html

__all__ = ["page_of"]

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
.scroll{overflow-x:auto} img{max-width:100%;height:auto} h2{margin-top:2.5rem}
section p,li small{color:#444;font-size:14px;margin:.4rem 0}
"""


def page_of(
    title: str,
    notes: Iterable[str],
    found: Sequence[tuple[Claim, Sequence[Finding]]],
    sheets: Sequence[Sheet],
    pictures: Mapping[str, Path],
) -> str:
    """One file that needs no other."""
    figures = "".join(
        f'<section><h2>{html.escape(caption)}</h2><img alt="{html.escape(caption)}" '
        f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"></section>\n'
        for caption, path in pictures.items()
    )
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    claims = "".join(
        f"<li>{html.escape(claim.text)} <small>({html.escape(claim.where)})</small>: "
        f"{html.escape(summary_of(own).replace('**', ''))}</li>"
        for claim, own in found
    )
    tables = "".join(to_html(sheet) for sheet in (comparisons(found), *sheets))
    return (
        f'<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>\n<h1>{html.escape(title)}</h1><ul>{items}</ul>\n"
        f"<h2>Claims</h2><ol>{claims}</ol>\n{tables}{figures}</html>\n"
    )
