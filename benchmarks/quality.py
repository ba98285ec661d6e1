"""The frozen test of models: forgeries of held-out people, by family and delivery, rebuilt from real photos by seed.

    python benchmarks/quality.py PHOTOS... [--models NAME OTHER.onnx] [--deliveries uncompressed "JPEG 75"]

Only people of the test split are used. Whoever changes the families, seeds or deliveries says so in docs/log.md and measures
the last model again: figures from before and after such a change are not comparable. Unseen are families that none of the
models was trained on, as their cards say. ``accuracy`` is the share of crops given their class at the model's threshold, so of
forged ones the share found.
``mean-mask`` predicts the mean training mask for every crop.
"""

from people import parser_of, people_of

from tamperlens.bench.held_out import DELIVERIES, forgery_rows, mean_mask_of, unseen_families
from tamperlens.data import seeds
from tamperlens.forge import FAMILIES
from tamperlens.metrics.rows import cell_of, table_head, table_line
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.types import Predictor

COLUMNS = ("accuracy", "auc", "fg_iou", "false_area")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL])
    parser.add_argument("--per-family", type=int, default=40)
    parser.add_argument("--deliveries", nargs="+", default=list(DELIVERIES), choices=list(DELIVERIES))
    arguments = parser.parse_args()

    people = people_of(arguments)
    models = [load(model) for model in arguments.models]
    unseen = unseen_families([model.card for model in models])
    trained = [family for family in FAMILIES if family not in unseen]
    predictors: list[Predictor] = [*models, mean_mask_of(people["train"], trained)]
    print(f"{len(people['test'])} test people, {arguments.per_family} crops a family, seed {seeds.FROZEN_BENCH}")
    print(f"never trained on: {', '.join(unseen)}\n")
    print(table_head("delivery", "model", "family", *COLUMNS), end="")
    for delivery, rows in forgery_rows(
        predictors, people["test"], list(FAMILIES), arguments.per_family, deliveries=arguments.deliveries
    ):
        for model, subset in dict.fromkeys((row.model, row.subset) for row in rows):
            own = {row.metric: row for row in rows if (row.model, row.subset) == (model, subset)}
            if subset == "average":
                continue
            name = f"{subset} (unseen)" if subset in unseen else subset
            print(table_line(delivery, model, name, *(cell_of(own.get(metric)) for metric in COLUMNS)), end="", flush=True)


if __name__ == "__main__":
    main()
