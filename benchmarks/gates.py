"""How bad may a picture be before the model cannot judge it? AUC by JPEG quality and blur, and the sharpness that tells blur.

    python benchmarks/gates.py PHOTOS... [--model NAME] [--per-family 12]

Forgeries of test people of all families, each put through the corruption as a whole. ``sharpness`` is what inspection measures
of a crop: the median, and the 1st percentile, over pristine crops.
"""

from dataclasses import replace

import numpy as np
from people import parser_of, people_of

from tamperlens.bench.corruptions import parse_corruptions
from tamperlens.bench.held_out import CONTROLS, delivered
from tamperlens.data import seeds
from tamperlens.forge import FAMILIES
from tamperlens.inspection.face import sharpness
from tamperlens.metrics.outcomes import PRISTINE, judge
from tamperlens.metrics.results import rows_of
from tamperlens.metrics.rows import cell_of, table_head, table_line
from tamperlens.models.card import AS_PHOTOGRAPHED
from tamperlens.models.runtime import DEFAULT_MODEL, load

CORRUPTIONS = "jpeg:95,jpeg:70,jpeg:50,jpeg:40,jpeg:30,jpeg:20,jpeg:10,blur:0.5,blur:1,blur:1.5,blur:2,blur:3,blur:4"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--per-family", type=int, default=12)
    arguments = parser.parse_args()
    photos = people_of(arguments)["test"]
    model = load(arguments.model)
    crops = list(delivered(photos, list(FAMILIES), arguments.per_family, "uncompressed", seeds.BY_QUALITY))
    print(table_head("corruption", "AUC", "false alarms", "sharpness, median", "sharpness, 1st percentile"), end="")
    changes = {"none": CONTROLS[AS_PHOTOGRAPHED]} | {one.name: one.apply for one in parse_corruptions(CORRUPTIONS)}
    for name, change in changes.items():
        changed = [replace(crop, image=change(crop.image)) for crop in crops]
        rows = {(r.subset, r.metric): r for r in rows_of("", judge(model, changed), model.score_threshold)}
        values = [sharpness(crop.image) for crop in changed if crop.subset == PRISTINE]
        alarms = f"{rows[PRISTINE, 'false_alarms'].value:.3f}"
        spread = f"{np.median(values):.2f}", f"{np.percentile(values, 1):.2f}"
        print(table_line(name, cell_of(rows["all", "auc"]), alarms, *spread), end="", flush=True)


if __name__ == "__main__":
    main()
