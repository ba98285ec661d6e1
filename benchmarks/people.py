"""What the benchmarks on real photos begin with: their arguments, and the people of each split."""

import argparse
from pathlib import Path

from tamperlens.data.portraits import FacePhoto, by_split, find_face_photos
from tamperlens.faces import detector_for

__all__ = ["parser_of", "people_of"]


def parser_of(about: str | None) -> argparse.ArgumentParser:
    """A parser that knows the photos and where the list of their faces is kept."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of real photos")
    parser.add_argument("--cache", type=Path, help="where the list of faces is kept between runs")
    return parser


def people_of(arguments: argparse.Namespace) -> dict[str, list[FacePhoto]]:
    """The photos of ``train``, ``val`` and ``test`` people."""
    return by_split(find_face_photos(arguments.photos, detector_for("portrait"), arguments.cache))
