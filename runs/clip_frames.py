"""Frames of clips as PNG files, so that people in clips can be learned from as those of photos are.

    python runs/clip_frames.py CLIPS OUT [--frames 8]

CLIPS is a folder of videos, one person each; of each, so many frames at equal distances go to OUT as NAME_NNNN.png, in NAME
every underscore a hyphen: photos named person_number are one person's.
"""

import argparse
from pathlib import Path

import numpy as np

from tamperlens.media import frames, kind_of, write_png


def main() -> None:
    """Read the arguments, write the frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=8)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(path for path in arguments.clips.iterdir() if path.is_file() and kind_of(path) == "video"):
        images = [frame.image for frame in frames(path)]
        for index in np.linspace(0, len(images) - 1, min(arguments.frames, len(images))).astype(int):
            write_png(arguments.out / f"{path.stem.replace('_', '-')}_{index:04d}.png", images[index])


if __name__ == "__main__":
    main()
