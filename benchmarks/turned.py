"""Whether people who lie or stand on their head are found in photos, and what looking for them costs where nobody does.

    python benchmarks/turned.py FOLDERS... [--count 40]

FOLDERS hold photos of upright people; FOLDER=BORDER leaves out so many pixels at each side. Each photo is searched as it is,
turned in all ways, and with its faces painted over, where every face that is found is a false one.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from tamperlens.faces import detector_for, find_faces, quarter_turns
from tamperlens.media import read_photo
from tamperlens.types import FaceBox, UInt8Array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--count", type=int, default=40, help="photos of each folder")
    arguments = parser.parse_args()
    detector = detector_for("photo")
    print(
        "| photos | upright, taken for turned | turned by 90, 270, 180 and found so | false faces | s a photo | turned, too |"
    )
    print("|---|---|---|---|---|---|")
    for text in arguments.folders:
        folder, _, border = text.partition("=")
        images = [cropped(read_photo(path).image, int(border or 0)) for path in some(Path(folder), arguments.count)]
        wrongly = false = empty = 0
        right = {1: 0, 3: 0, 2: 0}
        seconds = [0.0, 0.0]
        for image in images:
            began = time.process_time()
            upright = list(detector(image))
            between = time.process_time()
            found = find_faces(image, detector)
            seconds[0], seconds[1] = seconds[0] + between - began, seconds[1] + time.process_time() - between
            wrongly += any(quarter_turns(face) for face in found)
            for turns in right:
                lying = find_faces(np.ascontiguousarray(np.rot90(image, turns)), detector)
                right[turns] += bool(lying) and quarter_turns(lying[0]) == 4 - turns
            painted = paint_over(image, upright)
            if not detector(painted):  # else something was left of a face
                empty, false = empty + 1, false + bool(find_faces(painted, detector))
        lying_found = ", ".join(str(count) for count in right.values())
        per_photo = " | ".join(f"{spent / len(images):.3f}" for spent in seconds)
        print(
            f"| {len(images)} of {Path(folder).name} | {wrongly} | {lying_found} | {false} of {empty} | {per_photo} |",
            flush=True,
        )


def some(folder: Path, count: int) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return files[:: max(1, len(files) // count)][:count]


def cropped(image: UInt8Array, border: int) -> UInt8Array:
    return np.ascontiguousarray(image[border : image.shape[0] - border, border : image.shape[1] - border])


def paint_over(image: UInt8Array, faces: list[FaceBox]) -> UInt8Array:
    """Each face and a fifth around it in the median colour of that place."""
    painted = image.copy()
    for face in faces:
        rows, columns = (
            slice(max(0, int(low - 0.2 * (high - low))), int(high + 0.2 * (high - low)))
            for low, high in ((face.y0, face.y1), (face.x0, face.x1))
        )
        painted[rows, columns] = np.median(image[rows, columns], axis=(0, 1))
    return painted


if __name__ == "__main__":
    main()
