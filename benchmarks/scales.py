"""From which face size on the model can judge, and what shrinking large faces costs: AUC and Fg-IoU by the size of the face.

    python benchmarks/scales.py PHOTOS... [--model contrast-seg] [--per-family 16]

People of the test split, forged as photographed, all families; a crop is twice the face. Crops beyond the model's largest side
are shrunk to it, as in use; a second row judges them at their own size instead.
"""

from people import parser_of, people_of

from tamperlens.data.portraits import forged_crops
from tamperlens.evaluation import judge, rows_of
from tamperlens.forge import FAMILIES
from tamperlens.runtime import load

FACES = (24, 36, 48, 64, 96, 128, 192, 256, 350)  # pixels; few photos hold larger faces


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="contrast-seg")
    parser.add_argument("--per-family", type=int, default=16)
    arguments = parser.parse_args()
    photos = people_of(arguments)["test"]
    predictor, native = load(arguments.model), load(arguments.model)
    native.card = native.card.model_copy(update={"max_side": None})
    largest = predictor.card.max_side or 10_000
    print("| face, pixels | judged at | AUC | Fg-IoU | false area |\n|---|---|---|---|---|")
    for face in FACES:
        side = 2 * face
        crops = list(
            forged_crops(photos, list(FAMILIES), arguments.per_family, sides=(side, side + 0.4), seed=9, before=1.0, after=1.0)
        )
        for judged_at, own in ((min(side, largest), predictor), (side, native)):
            if own is native and side <= largest:
                continue
            rows = {(r.subset, r.metric): r for r in rows_of("", judge(own, crops), own.score_threshold)}
            keys = (("all", "auc"), ("all", "fg_iou"), ("pristine", "false_area"))
            cells = [f"{rows[key].value:.3f} [{rows[key].low:.3f}, {rows[key].high:.3f}]" for key in keys]
            print(f"| {face} | {judged_at} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
