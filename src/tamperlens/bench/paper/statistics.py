"""What data is like: bit rate, face size, mask area, and how much is changed inside and outside of it.

Beside each figure stands what is known of FaceForensics++, from `faceforensics.csv`: a few facts, each with where it was seen.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tamperlens.bench.paper.stores import Stores
from tamperlens.bench.paper.tables import Sheet
from tamperlens.data.readers.clips import Clip
from tamperlens.data.readers.methods import METHODS, PRISTINE
from tamperlens.data.store import Store
from tamperlens.media import video_info

__all__ = ["FIGURES", "describe", "figures_of"]

SAMPLE = 60  # crops of a method that are read
UNKNOWN = ("not known here", "-")
FIGURES = (
    "kbit a frame",
    "face: pixels wide",
    "mask: pixels",
    "mask: share of the crop",
    "difference inside: median",
    "difference outside: median",
    "difference outside: 99 %",
    "difference outside: 99.9 %",
)


def describe(stores: Stores, clips: Sequence[Clip]) -> Sheet:
    """A line for each method, compression and figure: ours, and FaceForensics++'s where it is known, with its source.

    ``clips``: the tree's, for bit rates; may be empty.
    """
    known = _known()
    lines = []
    for compression, store in stores.by_compression.items():
        for method in store.methods:
            ours = figures_of(store, method) | _bit_rate(
                [c for c in clips if (c.method, c.compression) == (method, compression)]
            )
            original = METHODS[method].stands_for or method
            for figure in FIGURES:
                theirs, source = (
                    known.get((original, compression, figure)) or known.get(("all", compression, figure)) or UNKNOWN
                )
                if figure in ours:
                    lines.append((method, compression, figure, ours[figure], theirs, source))
    notes = (
        f"Of the test split, at most {SAMPLE} crops a method; in brackets the 10th and 90th percentile over crops. Differences "
        "are of the channel that differs most, of 255, between a crop and the pristine one of the same frame and box.",
    )
    return Sheet("Data", ("method", "compression", "figure", "here", "FaceForensics++", "known from"), tuple(lines), notes)


def _known() -> dict[tuple[str, str, str], tuple[str, str]]:
    with (Path(__file__).parent / "faceforensics.csv").open(newline="", encoding="utf-8") as file:
        return {(r["method"], r["compression"], r["figure"]): (r["value"], r["source"]) for r in csv.DictReader(file)}


def figures_of(store: Store, method: str) -> dict[str, str]:
    """The figures of a method's test crops, in words; those of differences only where pristine crops of the same frames are."""
    rows = store.rows("test", method)
    rows = rows[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).round().astype(np.int64)]
    places = {_place(store, row): row for row in store.rows("test", PRISTINE)} if method != PRISTINE else {}
    found: dict[str, list[float]] = {figure: [] for figure in FIGURES}
    for number in rows:
        row, crop = store.row(number), store.crop(number)
        found["face: pixels wide"].append(row.face_x1 - row.face_x0)
        if method == PRISTINE or crop.truth is None:
            continue
        found["mask: pixels"].append(float(crop.mask.sum()))
        found["mask: share of the crop"].append(float(crop.mask.mean()))
        pristine = places.get(_place(store, number))
        if pristine is None:
            continue
        other = store.crop(pristine).image
        difference = np.abs(crop.image.astype(np.int16) - other).max(axis=2)
        if crop.mask.any():
            found["difference inside: median"].append(float(np.median(difference[crop.mask])))
        if not crop.mask.all():
            outside = difference[~crop.mask]
            for figure, share in (("median", 50), ("99 %", 99), ("99.9 %", 99.9)):
                found[f"difference outside: {figure}"].append(float(np.percentile(outside, share)))
    return {figure: _words(np.asarray(values)) for figure, values in found.items() if values}


def _place(store: Store, number: int) -> tuple[object, ...]:
    row = store.row(number)
    return row.target, row.frame, row.left, row.top, row.side


def _words(values: npt.NDArray[np.float64]) -> str:
    low, middle, high = np.percentile(values, [10, 50, 90])
    if max(abs(high), abs(low)) < 10:
        return f"{middle:.2f} [{low:.2f}, {high:.2f}]"
    return f"{middle:,.0f} [{low:,.0f}, {high:,.0f}]"


def _bit_rate(clips: Sequence[Clip]) -> dict[str, str]:
    videos = [clip.path for clip in clips if clip.path.is_file()][:SAMPLE]
    rates = [8e-3 * path.stat().st_size / frames for path in videos if (frames := video_info(path).frames)]
    return {"kbit a frame": _words(np.asarray(rates))} if rates else {}
