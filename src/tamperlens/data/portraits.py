"""Real photos to learn from: one face each, found once, with people kept apart between train, validation and test."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from tamperlens.errors import DataError, MediaError
from tamperlens.faces import crop_face
from tamperlens.files import PHOTO_SUFFIXES
from tamperlens.forge.portrait import Portrait, scaled
from tamperlens.forge.sampler import UNTOUCHED_AFTER, UNTOUCHED_BEFORE, make_sample
from tamperlens.media import read_photo
from tamperlens.types import FaceBox, FaceDetector, FloatArray, LabelledCrop, UInt8Array

__all__ = [
    "FacePhoto",
    "by_split",
    "find_face_photos",
    "fingerprint",
    "forged_crops",
    "kept_photos",
    "load_portrait",
    "sources_of",
    "split_of",
]

WIDE = 2.8  # kept around a face, in face sizes: the x2 crop and room to move it
MAX_KEPT_SIDE = 1000  # pixels
DRAWN = (0.8, 1.2)  # times the found box: between these, boxes are drawn for training
MIN_FACE = 64  # pixels: smaller faces cannot carry a forgery worth learning


@dataclass(frozen=True)
class FacePhoto:
    """A photo, whose it is, and where its largest face lies."""

    path: str
    person: str  # folder/name: one value per person, the unit of every split; the first folder of those that hold the name
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels
    landmarks: tuple[tuple[float, float], ...]  # five x, y


def _source_name(folder: Path) -> str:
    """The folder's own name, however it is given: as ``.``, or by a link, which keeps the name of the link."""
    return Path(os.path.abspath(folder)).name


def sources_of(folders: Iterable[Path]) -> dict[str, Path]:
    """Folders of photos by name; `DataError` where one is missing, or where two have one name and could not be told apart."""
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder; give folders of real photos")
        if (name := _source_name(folder)) in found:
            raise DataError(
                f"{found[name]} and {folder} are both called {name}, and results of photos stand under their folder's name: "
                "give each folder once, and rename one where they differ"
            )
        found[name] = folder
    return found


def _name_of(path: Path, root: Path) -> str:
    """Whose photo it is: of ``root/ann/1.jpg`` the folder's, ann; of ``root/ann_0001.jpg`` the name's without its number."""
    inside = path.relative_to(root)
    return inside.parts[0] if len(inside.parts) > 1 else re.sub(r"_[0-9]+$", "", path.stem)


def split_of(person: str, validation: float = 0.15, test: float = 0.15) -> str:
    """``train``, ``val`` or ``test`` for a person: fixed by a hash of the name, so it never depends on what else is there."""
    place = int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big") / 2**64
    return "test" if place < test else "val" if place < test + validation else "train"


def by_split(photos: Iterable[FacePhoto]) -> dict[str, list[FacePhoto]]:
    """The photos of ``train``, ``val`` and ``test`` people, in the order given."""
    parted: dict[str, list[FacePhoto]] = {"train": [], "val": [], "test": []}
    for photo in photos:
        parted[split_of(photo.person)].append(photo)
    return parted


def find_face_photos(
    folders: Sequence[Path],
    detector: FaceDetector,
    cache: Path | None = None,
    progress: Callable[[Iterable[Path]], Iterable[Path]] = lambda paths: paths,
) -> list[FacePhoto]:
    """Every photo under ``folders`` with a face of at least `MIN_FACE` pixels, in path order.

    The list is kept in ``cache`` (JSON) and taken from there when it was made from the same files. Photos that cannot be
    read or show no such face are left out; a folder without any is a `DataError`.
    """
    roots = {
        path: folder
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file()
    }
    paths = sorted(roots)
    homes: dict[str, str] = {}  # the first folder that holds a name: the same name in a later one is the same person
    for folder in folders:
        for path in sorted(path for path, root in roots.items() if root == folder):
            homes.setdefault(_name_of(path, folder), _source_name(folder))
    stamp = hashlib.sha256("\n".join(f"{path} {path.stat().st_size}" for path in paths).encode()).hexdigest()
    if cache and (kept := kept_photos(cache, stamp)):
        return kept
    photos = []
    for path in progress(paths):
        try:
            faces = detector(read_photo(path).image)
        except MediaError:
            continue
        if faces and faces[0].size >= MIN_FACE:
            face = faces[0]
            landmarks = tuple((round(float(x), 2), round(float(y), 2)) for x, y in face.landmarks)
            box = tuple(round(float(v), 2) for v in (face.x0, face.y0, face.x1, face.y1))
            name = _name_of(path, roots[path])
            photos.append(FacePhoto(str(path), f"{homes[name]}/{name}", box, landmarks))  # type: ignore[arg-type]
    if not photos:
        raise DataError(
            f"no face of {MIN_FACE} pixels or more was found in {', '.join(map(str, folders))} ({len(paths)} photos read); "
            f"give folders of real photos that show faces"
        )
    if cache:
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps({"stamp": stamp, "photos": [asdict(photo) for photo in photos]}))
    return photos


def fingerprint(photo: FacePhoto) -> str:
    """Tells a photo from others wherever it lies and whatever it is called: a hash of its size and its first 64 KiB."""
    with open(photo.path, "rb") as file:
        start = file.read(1 << 16)
        size = os.fstat(file.fileno()).st_size
    return hashlib.sha256(size.to_bytes(8, "big") + start).hexdigest()[:16]


def kept_photos(cache: Path, stamp: str | None = None) -> list[FacePhoto]:
    """The list that `find_face_photos` left in ``cache``; empty where it is missing, broken or of another stamp."""
    try:
        kept = json.loads(cache.read_text())
        rows = kept["photos"] if stamp in (None, kept["stamp"]) else []
        return [
            FacePhoto(row["path"], row["person"], tuple(row["box"]), tuple(tuple(point) for point in row["landmarks"]))
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


@lru_cache(maxsize=700)
def _surroundings(photo: FacePhoto) -> Portrait:
    """The face with more around it than any crop needs, kept decoded: the same people are drawn again and again."""
    portrait = _cut(read_photo(photo.path).image, photo.box, np.array(photo.landmarks, np.float32), WIDE / 2)
    side = min(MAX_KEPT_SIDE, portrait.image.shape[0])
    return scaled(portrait, side)


def _cut(image: UInt8Array, box: Sequence[float], landmarks: FloatArray, enlarge: float = 1.0) -> Portrait:
    center, size = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]), max(box[2] - box[0], box[3] - box[1]) * enlarge
    (left, top), (right, bottom) = center - size / 2, center + size / 2
    crop = crop_face(image, FaceBox(left, top, right, bottom, 1.0, landmarks))
    return Portrait(crop.image, landmarks - np.array([crop.left, crop.top], np.float32))


def load_portrait(photo: FacePhoto, rng: np.random.Generator | None = None) -> Portrait:
    """The x2 crop around a photo's face, at most `MAX_KEPT_SIDE` * 2 / `WIDE` pixels wide, with landmarks in crop pixels.

    With ``rng`` the box is moved and scaled a little first, as face detectors err, so that no fixed place in the crop is
    "the face".
    """
    kept = _surroundings(photo)
    side = kept.image.shape[0]
    size, center = side / WIDE, np.array([side / 2, side / 2])
    if rng is not None:
        center = center + rng.normal(0, 0.06, size=2) * size
        size = size * float(np.exp(rng.uniform(np.log(DRAWN[0]), np.log(DRAWN[1]))))
    box = (center[0] - size / 2, center[1] - size / 2, center[0] + size / 2, center[1] + size / 2)
    return _cut(kept.image, box, kept.landmarks)


def forged_crops(
    photos: Sequence[FacePhoto],
    families: Sequence[str],
    per_family: int,
    *,
    sides: tuple[float, float] = (128, 512),
    seed: int = 0,
    before: float = UNTOUCHED_BEFORE,
    after: float = UNTOUCHED_AFTER,
    compressed: float = 0.0,
) -> Iterator[LabelledCrop]:
    """A fixed set of whole crops to measure on: ``per_family`` of each family, and as many pristine ones as of all families.

    Each crop depends on ``seed``, its family and its number alone. ``before``, ``after``, ``compressed``: see `make_sample`.
    """
    for family in (*families, "pristine"):
        for number in range(per_family * (len(families) if family == "pristine" else 1)):
            rng = np.random.default_rng([seed, number, *family.encode()])
            person = photos[int(rng.integers(len(photos)))]
            side = round(float(np.exp(rng.uniform(*np.log(sides)))))
            target = load_portrait(person, rng)
            yield make_sample(
                target,
                lambda rng=rng: load_portrait(photos[int(rng.integers(len(photos)))], rng),  # type: ignore[misc]
                family,
                side,
                rng,
                before=before,
                after=after,
                compressed=compressed,
                group=person.person,
            )
