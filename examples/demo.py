"""A real photograph and a forgery of it, made here with a known mask, are inspected; their casefiles go to demo/.

The photograph is matplotlib's sample picture of Grace Hopper (public domain); no model of ours has been trained on it.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image

from tamperlens.faces import detector_for
from tamperlens.forge.provenance import write_forgery
from tamperlens.forge.whole import forge_face
from tamperlens.inspection.casefile.record import FailureRecord, Settings
from tamperlens.inspection.casefile.writing import casefile_stems
from tamperlens.inspection.examiner import Examiner
from tamperlens.metrics import count_pixels

FAMILY, SEED = "resynthesis", 1
OUT = Path("demo")


def main() -> int:
    """Run the demo; 0 when the photograph is not called manipulated and the forgery is."""
    OUT.mkdir(exist_ok=True)
    photo = OUT / "photograph.jpg"
    photo.write_bytes(Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes())
    image = np.asarray(Image.open(photo).convert("RGB"))
    face = detector_for("photo")(image)[0]
    (OUT / "manifest.jsonl").unlink(missing_ok=True)
    forged, mask_path = write_forgery(OUT, "forgery", forge_face(image, face, FAMILY, SEED), photo.name, SEED)
    truth = np.asarray(Image.open(mask_path)) > 0

    verdicts, examiner = {}, Examiner(Settings(), OUT)
    for path, stem in casefile_stems([photo, forged], OUT).items():
        record = examiner(path, stem)
        if isinstance(record, FailureRecord) or "mask" not in record.outputs:
            print(f"error: {record.reasons[-1]}", file=sys.stderr)
            return 1
        verdicts[path] = record.verdict
        print(f"{path}: {record.verdict}, score {record.score:.3f}")
        for reason in record.reasons:
            print(f"    {reason}")
        if path == forged:
            counts = count_pixels(np.asarray(Image.open(OUT / record.outputs["mask"])) > 0, truth)
            print(f"    found mask against the known one: IoU {counts.fg_iou:.3f}; {truth.mean():.1%} of the picture is forged")
    print(f"reports, records, overlays, pixel maps and masks are in {OUT}/; open {OUT}/forgery.html")
    if verdicts[photo] == "manipulated" or verdicts[forged] != "manipulated":
        print("error: the demo expected the photograph not to be called manipulated, and its forgery to be", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
