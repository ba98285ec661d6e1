"""Two examples made on the spot: a photograph of a real person, and a forgery of it with a visible tag.

The photograph is matplotlib's sample picture of Grace Hopper (public domain); no model of ours has been trained on it.
"""

import shutil
import tempfile
from pathlib import Path

from tamperlens.errors import DataError

__all__ = ["EXAMPLES", "make_example"]

EXAMPLES = {"photograph": "photograph.jpg", "forgery": "forgery.png"}  # name -> file name
FAMILY, SEED = "resynthesis", 1


def make_example(name: str, out: Path) -> None:
    """Write the example's bytes to ``out``. Raises `DataError` where the sample picture is not there."""
    from matplotlib.cbook import get_sample_data

    from tamperlens.faces import detector_for
    from tamperlens.forge.provenance import write_forgery
    from tamperlens.forge.whole import forge_face
    from tamperlens.media import read_photo

    try:
        out.write_bytes(Path(str(get_sample_data("grace_hopper.jpg", asfileobj=False))).read_bytes())
    except OSError as error:
        raise DataError("matplotlib's sample picture is not installed; send a photo of your own") from error
    if name == "forgery":
        image = read_photo(out).image
        forgery = forge_face(image, detector_for("photo")(image)[0], FAMILY, SEED)
        with tempfile.TemporaryDirectory(dir=out.parent) as folder:
            picture, _ = write_forgery(Path(folder), "forgery", forgery, EXAMPLES["photograph"], SEED)
            shutil.move(picture, out)
