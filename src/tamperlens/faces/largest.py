"""The one face that is meant where a picture stands for a person."""

from pathlib import Path

from tamperlens.errors import DataError
from tamperlens.types import FaceBox, FaceDetector, UInt8Array

__all__ = ["largest_face"]


def largest_face(
    image: UInt8Array, detector: FaceDetector, source: Path | str, *, advice: str = "give photos that show a face"
) -> FaceBox:
    """The largest face of an RGB uint8 ``(H, W, 3)`` picture.

    Where there is none, `DataError` names the picture's ``source`` and gives the ``advice``.
    """
    faces = detector(image)
    if not faces:
        raise DataError(f"no face was found in {source}; {advice}")
    return faces[0]
