"""Whether two workers inspect twice what one does: photos through `tamperlens inspect`, by processes and by Ray on one machine.

    python benchmarks/workers.py [--photos 200] [--turns 3]

Photos a second by the clock, from the first casefile written to the last, so that starting is not counted; the ways take turns,
and the best of each counts. It needs a machine that does nothing else: on shared cores the ratios say how busy the others are.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from inspecting import PROGRAM
from matplotlib.cbook import get_sample_data
from PIL import Image

from tamperlens.metrics.rows import to_table

WAYS = {"processes": ["--threads", "1"], "Ray": ["--ray", "local"]}
WORKERS = (1, 2)


def rate(photos: Path, out: Path, options: list[str]) -> float:
    """Photos a second between the first casefile and the last."""
    command = [sys.executable, "-c", PROGRAM, "inspect", str(photos), "--out", str(out), *options]
    subprocess.run(command, check=True, capture_output=True)
    written = sorted(path.stat().st_mtime for path in out.glob("photo*.json"))
    return (len(written) - 1) / (written[-1] - written[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    rates: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        photos.mkdir()
        face = Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False))
        for number in range(options.photos):  # no two alike
            face.crop((0, number % 40, *face.size)).save(photos / f"photo{number:04}.jpg", quality=90 - number // 40 % 10)
        for turn in range(options.turns):
            for way, own in WAYS.items():
                for workers in WORKERS:
                    out = Path(name) / f"{way}{workers}-{turn}"
                    found = rate(photos, out, [*own, "--workers", str(workers)])
                    rates.setdefault((way, workers), []).append(found)
    rows = [
        [way, *(f"{max(rates[way, workers]):.1f}" for workers in WORKERS), f"{max(rates[way, 2]) / max(rates[way, 1]):.2f}"]
        for way in WAYS
    ]
    print(to_table(("photos a second", "one worker", "two workers", "ratio"), rows))


if __name__ == "__main__":
    main()
