"""From which face size on the model can judge, and what shrinking large faces costs: AUC and Fg-IoU by the size of the face.

    python benchmarks/scales.py PHOTOS... [--model NAME] [--per-family 16]

People of the test split, forged as photographed, all families; a crop is twice the face. Crops beyond the model's largest side
are shrunk to it, as in use; a second row judges them at their own size instead. Photos do not hold the largest faces: those
are enlarged before they are forged, which shows what shrinking them again costs, not what a camera of that size would see.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from people import parser_of, people_of

from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto, forged_crops, load_portrait
from tamperlens.forge import FAMILIES
from tamperlens.forge.portrait import Portrait, scaled
from tamperlens.forge.sampler import make_sample
from tamperlens.metrics.outcomes import judge
from tamperlens.metrics.results import rows_of
from tamperlens.metrics.rows import cell_of, table_head, table_line
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.types import LabelledCrop

FACES = (24, 36, 48, 64, 96, 128, 192, 256, 350)  # pixels; few photos hold larger faces
ENLARGED = (700, 1000, 2000)


def enlarged_crops(photos: Sequence[FacePhoto], per_family: int, side: int) -> Iterator[LabelledCrop]:
    """As many pristine as forged crops of faces that were enlarged first."""

    def drawn(rng: np.random.Generator) -> tuple[Portrait, str]:
        photo = photos[int(rng.integers(len(photos)))]
        return scaled(load_portrait(photo, rng), side), photo.person

    for number in range(per_family):
        for place, family in enumerate((*FAMILIES, *["pristine"] * len(FAMILIES))):
            rng = np.random.default_rng([seeds.ENLARGED, number, place])
            target, person = drawn(rng)
            donor = partial(lambda rng: drawn(rng)[0], rng)
            yield make_sample(target, donor, family, side, rng, before=1, after=1, group=person)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--per-family", type=int, default=16)
    arguments = parser.parse_args()
    photos = people_of(arguments)["test"]
    predictor, native = load(arguments.model), load(arguments.model)
    native.card = native.card.model_copy(update={"max_side": None})
    largest = predictor.card.max_side or 10_000
    print(table_head("face, pixels", "judged at", "AUC", "Fg-IoU", "false area"), end="")
    for face in (*FACES, *ENLARGED):
        side = 2 * face
        crops: Iterable[LabelledCrop]
        if face in ENLARGED:  # few, for they take long, and judged once, for they fill the memory
            crops = enlarged_crops(photos, max(1, arguments.per_family // 2), side)
        else:
            crops = list(
                forged_crops(
                    photos,
                    list(FAMILIES),
                    arguments.per_family,
                    sides=(side, side + 0.4),
                    seed=seeds.BY_SIZE,
                    before=1,
                    after=1,
                )
            )
        for judged_at, own in ((min(side, largest), predictor), (side, native)):
            if own is native and (side <= largest or face in ENLARGED):
                continue
            rows = {(r.subset, r.metric): r for r in rows_of("", judge(own, crops), own.score_threshold)}
            cells = [cell_of(rows[key]) for key in (("all", "auc"), ("all", "fg_iou"), ("pristine", "false_area"))]
            print(table_line(f"{face}{', enlarged' if face in ENLARGED else ''}", judged_at, *cells), end="", flush=True)


if __name__ == "__main__":
    main()
