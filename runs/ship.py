"""From a training run to the files in src/tamperlens/models/weights: weights, ONNX, and a card with thresholds and calibration.

    python runs/ship.py RUN PHOTOS... [--out src/tamperlens/models/weights]

Thresholds and calibration are chosen on people of the validation split; `runs/measure.py` then measures on test people.
"""

import argparse
import subprocess
import tempfile
import tomllib
from datetime import date
from pathlib import Path

import numpy as np

from tamperlens.bench.held_out import CONTROLS
from tamperlens.data.portraits import FacePhoto, by_split, find_face_photos, forged_crops
from tamperlens.faces import YuNet
from tamperlens.inspection.photo import inspect_frame
from tamperlens.media import read_photo
from tamperlens.metrics import PixelCounts, area_under_roc, expected_calibration_error, peak
from tamperlens.metrics.calibration import NEAREST
from tamperlens.metrics.outcomes import PRISTINE, Outcome
from tamperlens.metrics.thresholds import best_map_threshold, fit_calibration, operating_point
from tamperlens.models.card import ModelCard
from tamperlens.models.export import to_onnx
from tamperlens.models.model import Model, load, save
from tamperlens.models.runtime import OnnxPredictor
from tamperlens.training.config import TrainConfig
from tamperlens.types import FloatArray, Frame, LabelledCrop

PEAK_SHARES = (None, 0.01, 0.02, 0.05, 0.1)  # ways to score a crop: Eq. 6, or the mean of so many of its surest pixels
THRESHOLD_CONTROLS = ("as photographed", "blurred 1.0", "denoised", "sharpened", "noise 4", "JPEG 95", "JPEG 75")
FALSE_ALARMS, DOUBT = 0.01, 0.05  # shares of pristine validation crops above the two thresholds


def main() -> None:
    """Read the arguments, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--max-side", type=int, help="crops are shrunk to this side; the training setting otherwise")
    parser.add_argument("--about", type=Path, default=Path("runs/data.toml"), help="what the photos are, and known limits")
    parser.add_argument("--per-validation-family", type=int, default=120)
    parser.add_argument("--photos-inspected", type=int, help="whole photos of validation people; all otherwise")
    parser.add_argument("--out", type=Path, default=Path("src/tamperlens/models/weights"))
    arguments = parser.parse_args()

    about = tomllib.loads(arguments.about.read_text(encoding="utf-8"))
    model, card = load(arguments.run / "best")
    config = TrainConfig.model_validate(card.training["config"])
    detector = YuNet(scales=(480,))
    photos = find_face_photos(arguments.photos, detector, arguments.run / "faces.json")
    people = by_split(photos)

    raw = card.model_copy(update={"calibration": None, "max_side": arguments.max_side or config.max_side})
    mixed = list(
        forged_crops(
            people["val"],
            config.families,
            arguments.per_validation_family,
            sides=(128, 512),
            seed=3,
            compressed=config.compressed,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        predictor = _exported(model, raw, Path(folder) / "raw.onnx")
    maps = [predictor(crop.image).pixel_map for crop in mixed]
    tau = model.map_threshold = best_map_threshold(maps, mixed)
    judged = {share: _outcomes(maps, mixed, tau, share) for share in PEAK_SHARES}
    peak_share = max(judged, key=lambda share: _auc(judged[share]))
    outcomes = judged[peak_share]
    for share, own in judged.items():
        print(f"validation AUC of the score by {f'the surest {share:.0%}' if share else 'Eq. 6'}: {_auc(own):.3f}")
    calibration = fit_calibration(outcomes)
    with tempfile.TemporaryDirectory() as folder:
        predictor = _exported(model, raw.model_copy(update={"peak_share": peak_share}), Path(folder) / "raw.onnx")
    photographs = _photo_outcomes(predictor, people["val"][: arguments.photos_inspected])
    for rate in (FALSE_ALARMS, DOUBT):
        points = operating_point(outcomes, rate), operating_point(photographs, rate)
        print(f"raw score at {rate:.0%} false alarms: {points[0]:.6f} on crops, {points[1]:.6f} on whole photos")
    score_threshold, doubt_threshold = (
        max(2 * NEAREST, operating_point(outcomes, rate), operating_point(photographs, rate)) for rate in (FALSE_ALARMS, DOUBT)
    )
    model.score_threshold = score_threshold
    ece = expected_calibration_error(np.array([calibration(o.score) for o in outcomes]), np.array([o.label for o in outcomes]))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    card = card.model_copy(
        update={
            "calibration": calibration,
            "peak_share": peak_share,
            "doubt_threshold": min(doubt_threshold, score_threshold),
            "limits": about["limits"] + about["limits_of"].get(config.model, []),
            "max_side": raw.max_side,
            "results": card.results | {"expected_calibration_error_on_validation": round(ece, 4)},
            "training": card.training
            | {
                "data": about["data"],
                "photos": {split: len(own) for split, own in people.items()},
                "date": date.today().isoformat(),
                "commit": commit,
                "thresholds": f"score thresholds at {FALSE_ALARMS:.0%} (manipulated) and {DOUBT:.0%} (inconclusive) false "
                f"alarms, Platt scaling, the map threshold of the best mIoU, and the score "
                f"({f'mean of the surest {peak_share:.0%} of pixels' if peak_share else 'Eq. 6'}) of the best AUC, on "
                f"{len(outcomes)} crops of validation people; the score thresholds also on their photos inspected whole, "
                f"{', '.join(THRESHOLD_CONTROLS)}",
            },
        }
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = arguments.out / config.model
    card = save(model, stem, card)
    print(f"ONNX parity with PyTorch: largest difference {to_onnx(model, stem.with_suffix('.onnx')):.2g}")


def _exported(model: Model, card: ModelCard, path: Path) -> OnnxPredictor:
    to_onnx(model, path)
    card.save(path.with_suffix(".json"))
    return OnnxPredictor(path)


def _photo_outcomes(predictor: OnnxPredictor, photos: list[FacePhoto]) -> list[Outcome]:
    """The scores of real photos, inspected whole as a user would, as they are and processed."""
    detector, outcomes = YuNet(), []
    for photo in photos:
        image = read_photo(photo.path).image
        for control in THRESHOLD_CONTROLS:
            frame = Frame(CONTROLS[control](image))
            score = inspect_frame(frame, detector(frame.image), predictor).score
            if score is not None:
                outcomes.append(Outcome(PRISTINE, photo.person, False, score, PixelCounts()))
    return outcomes


def _outcomes(maps: list[FloatArray], crops: list[LabelledCrop], map_threshold: float, share: float | None) -> list[Outcome]:
    """What each crop scores by the mean of its surest pixels, or by Eq. 6."""
    scores = [peak(own, share) if share else float((own >= map_threshold).mean()) for own in maps]
    return [
        Outcome(crop.subset, crop.group, bool(crop.mask.any()), score, PixelCounts())
        for crop, score in zip(crops, scores, strict=True)
    ]


def _auc(outcomes: list[Outcome]) -> float:
    return area_under_roc(np.array([o.score for o in outcomes]), np.array([o.label for o in outcomes]))


if __name__ == "__main__":
    main()
