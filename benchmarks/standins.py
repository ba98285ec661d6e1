"""How easily stand-ins can be told by their lack of grain alone, without any network.

    python benchmarks/standins.py PHOTOS --people 8

For each method: how much the median pixel of its mask is changed, of 255; the local energy of fine detail inside the mask, as a
share of the pristine frame's; and the AUC of "little fine detail" for the mask's pixels: 0.5 tells nothing, 1 is a forgery that
anybody sees.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tamperlens.bench.paper.experiment import read_experiment
from tamperlens.data.footage import files_of, footage_of
from tamperlens.faces import detector_for
from tamperlens.forge.standins import STANDINS
from tamperlens.metrics import area_under_roc
from tamperlens.types import UInt8Array

SETTINGS = Path(__file__).parents[1] / "runs" / "paper-standins.toml"


def energy(image: UInt8Array) -> npt.NDArray[np.float64]:
    """Mean square of what a slight blur takes away, over 9 x 9 pixels."""
    fine = image.astype(np.float32)
    return np.asarray(cv2.blur((fine - cv2.GaussianBlur(fine, (0, 0), 1.5)).mean(axis=2) ** 2, (9, 9)), np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of portraits")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--noise", type=float, help="of the camera; by default that of runs/paper-standins.toml")
    arguments = parser.parse_args()
    standins = read_experiment(SETTINGS).standins
    assert standins
    noise = standins.noise if arguments.noise is None else arguments.noise
    files = files_of([arguments.photos])
    files = files[:: max(1, len(files) // arguments.people)][: arguments.people]
    detector = detector_for("portrait")
    clips = [
        footage_of(path, detector, count=1, longest=480, rng=np.random.default_rng(number), sensor_noise=noise)
        for number, path in enumerate(files)
    ]
    print("method  changed  fine detail left  AUC of little detail")
    for code, make in STANDINS.items():
        changed, left, told = [], [], []
        for number, clip in enumerate(clips):
            frame = next(iter(clip.stream()))
            standin = make(clips[(number + 1) % len(clips)].donor, np.random.default_rng(number))
            forged, mask = standin(frame, clip.landmarks[0], clip.boxes[0], 0.2)
            changed.append(np.median(np.abs(forged.astype(int) - frame).max(axis=2)[mask]))
            after, before = energy(forged), energy(frame)
            left.append(np.median(after[mask]) / np.median(before[mask]))
            told.append(area_under_roc(-after[::4, ::4].ravel(), mask[::4, ::4].ravel()))
        print(f"{code:6}  {np.median(changed):7.1f}  {np.median(left):16.3f}  {np.mean(told):20.3f}")


if __name__ == "__main__":
    main()
