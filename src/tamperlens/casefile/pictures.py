"""A video's pictures: of each face the frame of its highest score, and the timeline."""

from pathlib import Path

import numpy as np

from tamperlens.casefile.timeline import draw_timeline
from tamperlens.figures import heat
from tamperlens.files import replace_text
from tamperlens.media import write_png
from tamperlens.types import BoolArray, UInt8Array, VideoInspection

__all__ = ["write_video_pictures"]


def write_video_pictures(inspection: VideoInspection, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.timeline.svg`` and, per face kept, ``.face<N>.png``, ``.overlay``, ``.pixelmap`` and ``.mask``."""
    paths = [folder / f"{stem}.timeline.svg"]
    replace_text(paths[0], draw_timeline(inspection))
    for number, picture in inspection.pictures.items():
        kinds: dict[str, UInt8Array | BoolArray] = {
            "": picture.image,
            ".overlay": heat(picture.image, picture.pixel_map),
            ".pixelmap": np.rint(picture.pixel_map * 255).astype(np.uint8),
            ".mask": picture.mask,
        }
        for kind, image in kinds.items():
            if image.size:
                paths.append(folder / f"{stem}.face{number}{kind}.png")
                write_png(paths[-1], image)
    return paths
