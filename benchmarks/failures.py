"""The worst mistakes of a model, ten of each kind: pictures to look at, and what sets them apart from the rest of their kind.

    python benchmarks/failures.py PHOTOS... --out FOLDER [--model NAME] [--split test] [--per-recipe 24]
        [--control FOLDER=BORDER...] [--count 10]

On people held out, pairs of a pristine crop and its forgery (forge/recipes.py), and photos of other sources (--control, less
BORDER pixels at each side): forgeries of the lowest scores, forgeries of high score whose map is wrong, pristine crops and
photos of the highest scores. Each sheet shows crop, map, and mask (white: found, red: truth). The table gives medians of the
ten, and of all of that kind in brackets.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from people import parser_of, people_of
from PIL import Image

from tamperlens.data import seeds
from tamperlens.faces import crop_face, detector_for
from tamperlens.figures import heat
from tamperlens.forge.recipes import RECIPES
from tamperlens.media import read_photo
from tamperlens.metrics import count_pixels
from tamperlens.metrics.rows import table_head, table_line
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.training.pair_batches import forged_pairs
from tamperlens.types import LabelledCrop, Prediction, UInt8Array

SIDES = (128, 384)  # pixels
TILE = 192  # pixels a side, of each picture on a sheet


@dataclass(frozen=True, eq=False)
class Case:
    """A judged crop; ``base`` is the pristine one of a forged crop."""

    crop: LabelledCrop
    seen: Prediction
    base: UInt8Array | None = None

    @property
    def fg_iou(self) -> float:
        return count_pixels(self.seen.mask, self.crop.mask).fg_iou

    def facts(self) -> dict[str, float]:
        """What may explain a mistake."""
        grey = cv2.cvtColor(self.crop.image, cv2.COLOR_RGB2GRAY)
        facts = {
            "score": self.seen.score,
            "side, pixels": float(self.crop.image.shape[0]),
            "sharpness (mean of the Laplacian's size)": float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean()),
            "brightness": float(grey.mean()),
            "contrast": float(grey.std()),
        }
        if self.base is not None:
            change = cv2.absdiff(self.crop.image, self.base).max(axis=2)
            around = change[~self.crop.mask].mean() if not self.crop.mask.all() else np.nan
            facts |= {
                "mask, share of crop": float(self.crop.mask.mean()),
                "change inside, levels": float(change[self.crop.mask].mean()) if self.crop.mask.any() else 0.0,
                "change outside (codec), levels": float(around),
                "Fg-IoU": self.fg_iou,
            }
        return facts


def controls_in(folder: Path, border: int, count: int) -> Iterator[LabelledCrop]:
    """The largest face of each of ``count`` photos of a folder, chosen by a seed."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    detector = detector_for("photo")
    for index in sorted(np.random.default_rng(seeds.CHOSEN_PHOTOS).permutation(len(files))[:count]):
        image = read_photo(files[index]).image
        image = np.ascontiguousarray(image[border : image.shape[0] - border, border : image.shape[1] - border])
        for box in detector(image)[:1]:
            crop = crop_face(image, box).image
            yield LabelledCrop(crop, np.zeros(crop.shape[:2], np.bool_), folder.name, files[index].stem)


def tiles(case: Case) -> UInt8Array:
    """Crop, map and masks side by side."""
    truth, found = (np.dstack([mask.astype(np.uint8) * 255] * 3) for mask in (case.crop.mask, case.seen.mask))
    masks = found.copy()
    masks[case.crop.mask] = (truth[case.crop.mask] * (0.8, 0.2, 0.2) + 0.5 * found[case.crop.mask]).clip(0, 255)
    pictures = (case.crop.image, heat(case.crop.image, case.seen.pixel_map), masks)
    shown = np.hstack([cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_AREA) for picture in pictures])
    label = f"{case.crop.subset} {case.seen.score:.2f} {case.crop.image.shape[0]}px"
    shown = np.ascontiguousarray(shown)
    for color, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(shown, label, (5, TILE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, width, cv2.LINE_AA)
    return np.asarray(shown, np.uint8)


def report(kind: str, cases: Sequence[Case], badness: Callable[[Case], float], count: int, out: Path) -> None:
    """A sheet and a table of the worst cases of one kind."""
    worst = sorted(cases, key=badness)[-count:][::-1]
    rows = [np.hstack([tiles(case) for case in worst[at : at + 2]]) for at in range(0, len(worst) - len(worst) % 2, 2)]
    path = out / f"{kind.replace(' ', '-')}.png"
    Image.fromarray(np.vstack(rows)).save(path)
    ours, every = ([case.facts() for case in group] for group in (worst, cases))
    print(f"\n{kind}: {len(worst)} of {len(cases)}, {path}\n")
    print(table_head(*ours[0]), end="")
    middle = [f"{np.nanmedian([f[name] for f in ours]):.3g} ({np.nanmedian([f[name] for f in every]):.3g})" for name in ours[0]]
    print(table_line(*middle), end="")
    subsets = Counter(case.crop.subset for case in worst)
    print("subsets:", ", ".join(f"{name} {number}" for name, number in subsets.most_common()))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or path")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument("--per-recipe", type=int, default=24)
    parser.add_argument("--control", nargs="+", default=[], help="FOLDER or FOLDER=BORDER")
    parser.add_argument("--count", type=int, default=10)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = load(arguments.model, threads=1)
    people = people_of(arguments)[arguments.split]
    crops = list(forged_pairs(people, list(RECIPES), arguments.per_recipe, sides=SIDES, seed=seeds.RECIPES))
    pristine = [Case(crop, model(crop.image)) for crop in crops[0::2]]
    forged = [Case(crop, model(crop.image), base.image) for base, crop in zip(crops[0::2], crops[1::2], strict=True)]
    found = [case for case in forged if case.seen.score >= model.score_threshold]
    print(f"{model.name}: {len(forged)} pairs of {arguments.split} people, {len(found)} forged crops called manipulated")
    report("missed forgeries", forged, lambda case: -case.seen.score, arguments.count, arguments.out)
    if found:
        report("wrong maps", found, lambda case: -case.fg_iou, arguments.count, arguments.out)
    report("alarming pristine crops", pristine, lambda case: case.seen.score, arguments.count, arguments.out)
    for text in arguments.control:
        name, _, border = text.partition("=")
        others = [Case(crop, model(crop.image)) for crop in controls_in(Path(name), int(border or 0), 100)]
        report(f"alarming {Path(name).name}", others, lambda case: case.seen.score, arguments.count, arguments.out)


if __name__ == "__main__":
    main()
