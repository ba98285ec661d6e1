"""Real photos in the forms in which fact-checkers get them: how often each is called manipulated, or inconclusive.

    python benchmarks/presentations.py PHOTOS... [--model NAME] [--others FOLDER=BORDER] [--most 60] [--write CARD]

PHOTOS are those that models learned from: only test people's are taken. --others are photos of other people. --write puts the
rows into the model's card, beside those of other controls.
"""

from pathlib import Path

from people import parser_of, people_of

from tamperlens.bench.measure import photos_in
from tamperlens.bench.presentations import PRESENTATIONS, presentation_rows
from tamperlens.faces import detector_for
from tamperlens.metrics.rows import rows_to_markdown
from tamperlens.models.card import ModelCard, rows_of_card
from tamperlens.models.runtime import DEFAULT_MODEL, load


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--others", nargs="+", default=[], metavar="FOLDER=BORDER")
    parser.add_argument("--most", type=int, default=60, help="photos of each source")
    parser.add_argument("--write", type=Path, metavar="CARD", help="the model card (.json) that gets the rows")
    arguments = parser.parse_args()
    predictor, detector = load(arguments.model, threads=1), detector_for("photo")
    tested = [Path(photo.path) for photo in people_of(arguments)["test"]]
    rows = list(presentation_rows(predictor, detector, tested[:: max(1, len(tested) // arguments.most)], "test people"))
    for text in arguments.others:
        name, _, border = text.partition("=")
        paths = photos_in(Path(name), arguments.most)
        rows += presentation_rows(predictor, detector, paths, Path(name).name, int(border or 0))
    print(rows_to_markdown(rows_of_card(rows, predictor.name)))
    if arguments.write:
        card = ModelCard.load(arguments.write)
        others = [row for row in card.results if row.table == "photos" and row.control not in PRESENTATIONS]
        card.with_results([*others, *rows]).save(arguments.write)


if __name__ == "__main__":
    main()
