"""The frozen test of models: forgeries of held-out people, by family and delivery, rebuilt from real photos by seed.

    python benchmarks/quality.py PHOTOS... [--models contrast-seg OTHER.onnx] [--deliveries uncompressed "JPEG 75"]

Only people of the test split are used. Whoever changes the families, seeds or deliveries says so in docs/log.md and measures
the last model again: figures from before and after such a change are not comparable. Unseen are families that none of the
models was trained on, as their cards say. ``accuracy`` is the share of crops given their class at the model's threshold, so of
forged ones the share found.
``mean-mask`` predicts the mean training mask for every crop.
"""

from people import parser_of, people_of

from tamperlens.bench.held_out import DELIVERIES, forgery_rows, unseen_families
from tamperlens.data.portraits import forged_crops
from tamperlens.forge import FAMILIES
from tamperlens.metrics.baseline import MeanMask
from tamperlens.models.runtime import load

SEED = 20261122
COLUMNS = ("accuracy", "auc", "fg_iou", "false_area")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="+", default=["contrast-seg"])
    parser.add_argument("--per-family", type=int, default=40)
    parser.add_argument("--deliveries", nargs="+", default=list(DELIVERIES), choices=list(DELIVERIES))
    arguments = parser.parse_args()

    people = people_of(arguments)
    models = [load(model) for model in arguments.models]
    unseen = unseen_families([model.card for model in models])
    trained = [family for family in FAMILIES if family not in unseen]
    baseline = MeanMask(forged_crops(people["train"], trained, 100, sides=(64, 65), seed=5, before=1.0, after=1.0))
    predictors = [*models, baseline]
    print(f"{len(people['test'])} test people, {arguments.per_family} crops a family, seed {SEED}")
    print(f"never trained on: {', '.join(unseen)}\n")
    print(f"| delivery | model | family | {' | '.join(COLUMNS)} |\n|---|---|---|{'---|' * len(COLUMNS)}")
    for delivery, rows in forgery_rows(
        predictors, people["test"], list(FAMILIES), arguments.per_family, seed=SEED, deliveries=arguments.deliveries
    ):
        for model, subset in dict.fromkeys((row.model, row.subset) for row in rows):
            own = {row.metric: row for row in rows if (row.model, row.subset) == (model, subset)}
            if subset == "average":
                continue
            cells = [f"{own[m].value:.3f} [{own[m].low:.3f}, {own[m].high:.3f}]" if m in own else "-" for m in COLUMNS]
            name = f"{subset} (unseen)" if subset in unseen else subset
            print(f"| {delivery} | {model} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
