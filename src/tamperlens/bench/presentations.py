"""How often real faces are called manipulated in the forms in which people bring them: captions, screens, posters, filters.

Graphics over a picture, a picture of a picture and editing of the whole picture are no face manipulation (`forge/lives.py`).
"""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tamperlens.forge.lives import GRAPHICS, RETOUCHES, SCENES
from tamperlens.inspection.photo import inspect_frame
from tamperlens.media import fit_within, jpeg, read_photo
from tamperlens.metrics.outcomes import PRISTINE
from tamperlens.metrics.results import rate_row
from tamperlens.models.card import CALLED_MANIPULATED, CardRow
from tamperlens.types import FaceDetector, Frame, Predictor, UInt8Array, Verdict

__all__ = ["PRESENTATIONS", "present", "presentation_rows"]

LARGEST = 600  # pixels: pictures are shrunk to it first
QUALITY = 85  # of the JPEG that each of them ends as
PRESENTATIONS = {
    "caption bar": GRAPHICS["caption"],
    "words over it": GRAPHICS["words"],
    "stickers and logos": GRAPHICS["stickers"],
    "bars at two sides": GRAPHICS["bars"],
    "screenshot of an app": GRAPHICS["screenshot"],
    "poster, photographed": SCENES["poster"],
    "screen, filmed": SCENES["screen"],
    "beauty filter": RETOUCHES["beauty"],
    "cartoon filter": RETOUCHES["cartoon"],
    "vivid filter": RETOUCHES["vivid"],
}


def present(image: UInt8Array, name: str, seed: int) -> UInt8Array:
    """The upper square of a picture, RGB uint8 ``(H, W, 3)``, as ``name`` of `PRESENTATIONS` shows it, saved as JPEG."""
    side = min(image.shape[:2])
    left = (image.shape[1] - side) // 2
    square = fit_within(np.ascontiguousarray(image[:side, left : left + side]), LARGEST)
    nowhere = np.zeros(square.shape[:2], np.bool_)
    return jpeg(PRESENTATIONS[name](square, nowhere, np.random.default_rng(seed))[0], QUALITY)


def presentation_rows(
    predictor: Predictor, detector: FaceDetector, paths: Sequence[Path], source: str, border: int = 0
) -> Iterator[CardRow]:
    """For each of `PRESENTATIONS`, the shares of real photos that are called manipulated and that are inconclusive.

    ``border`` pixels are cut off each side first. Shares are of the photos in which a face was judged.
    """
    for name in PRESENTATIONS:
        verdicts = []
        for path in paths:
            image = read_photo(path).image
            image = image[border : image.shape[0] - border, border : image.shape[1] - border]
            frame = Frame(present(image, name, zlib.crc32(path.name.encode())))
            inspection = inspect_frame(frame, detector(frame.image), predictor, path=str(path), stability=True)
            if inspection.score is not None:
                verdicts.append(inspection.verdict)
        for metric, verdict in ((CALLED_MANIPULATED, Verdict.MANIPULATED), ("inconclusive", Verdict.INCONCLUSIVE)):
            row = rate_row(predictor.name, PRISTINE, metric, sum(one is verdict for one in verdicts), len(verdicts))
            yield CardRow.of(row, "photos", source=source, control=name)
