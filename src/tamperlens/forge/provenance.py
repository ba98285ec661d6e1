"""Forgeries that leave memory say what they are: a visible tag, the same in the file's metadata, and a line in a manifest."""

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from tamperlens.forge.portrait import Forgery
from tamperlens.types import UInt8Array

__all__ = ["MANIFEST", "TAG", "tagged", "write_forgery"]

TAG = "forged by tamperlens"
MANIFEST = "manifest.jsonl"


def tagged(image: UInt8Array) -> UInt8Array:
    """``image`` with the tag in its lower left corner, white on black; the forgery's mask does not cover the tag."""
    canvas = np.ascontiguousarray(image.copy())
    scale = max(0.3, canvas.shape[1] / 1600)
    (width, height), base = cv2.getTextSize(TAG, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    bottom = canvas.shape[0]
    cv2.rectangle(canvas, (0, bottom - height - 2 * base), (width + 2 * base, bottom), (0, 0, 0), -1)
    cv2.putText(canvas, TAG, (base, bottom - base), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return canvas


def write_forgery(folder: Path, stem: str, forgery: Forgery, source: str, seed: int) -> tuple[Path, Path]:
    """Write ``<stem>.png`` (tagged), ``<stem>.truth.png`` (the exact mask, 0 and 255) and a line of ``manifest.jsonl``.

    Returns the two pictures' paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    picture, mask = folder / f"{stem}.png", folder / f"{stem}.truth.png"
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", TAG)
    info.add_text("Forgery", json.dumps(dict(forgery.parameters)))
    Image.fromarray(tagged(forgery.image)).save(picture, pnginfo=info)
    Image.fromarray(forgery.mask).save(mask)
    line = {"picture": picture.name, "truth": mask.name, "source": source, "seed": seed, "tag": TAG, **forgery.parameters}
    with open(folder / MANIFEST, "a", encoding="utf-8") as manifest:
        manifest.write(json.dumps(line) + "\n")
    return picture, mask
