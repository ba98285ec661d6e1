"""Pictures of what was found: of a photo; of a video each face's frame of the highest score, and the timeline."""

from pathlib import Path

import numpy as np

from tamperlens.figures import draw_overlay, heat
from tamperlens.files import replace_text
from tamperlens.inspection.casefile.timeline import draw_timeline
from tamperlens.media import write_png
from tamperlens.types import BoolArray, Inspection, UInt8Array, VideoInspection

__all__ = ["write_pictures", "write_video_pictures"]


def write_pictures(inspection: Inspection, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.overlay.png``, ``.pixelmap.png`` (grey, 255 = surely manipulated) and ``.mask.png``; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, UInt8Array | BoolArray] = {
        "overlay": draw_overlay(inspection),
        "pixelmap": np.rint(inspection.pixel_map * 255).astype(np.uint8),
        "mask": inspection.mask,
    }
    paths = []
    for kind, picture in pictures.items():
        paths.append(folder / f"{stem}.{kind}.png")
        write_png(paths[-1], picture)
    return paths


def write_video_pictures(inspection: VideoInspection, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.timeline.svg`` and, per face kept, ``.face<N>.png``, ``.overlay``, ``.pixelmap`` and ``.mask``."""
    paths = [folder / f"{stem}.timeline.svg"]
    replace_text(paths[0], draw_timeline(inspection))
    for number, picture in inspection.pictures.items():
        kinds: dict[str, UInt8Array | BoolArray] = {
            "": picture.image,
            ".overlay": heat(picture.image, picture.pixel_map, picture.mask),
            ".pixelmap": np.rint(picture.pixel_map * 255).astype(np.uint8),
            ".mask": picture.mask,
        }
        for kind, image in kinds.items():
            if image.size:
                paths.append(folder / f"{stem}.face{number}{kind}.png")
                write_png(paths[-1], image)
    return paths
