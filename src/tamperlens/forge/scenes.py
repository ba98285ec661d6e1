"""What a studio does not show: other light, shadows, flushed, made-up and retouched skin, hats and glasses, heads at an angle.

Portraits are lit and posed alike, and a detector that has seen no other pictures takes a hard shadow, a flushed face or a
stage's colours for a forger's work. So pictures are varied here *before* they are forged, and the pristine one of a pair has
been through the same. Places on a face are in face coordinates: see `face_frame`.
"""

import cv2
import numpy as np
import numpy.typing as npt

from tamperlens.forge.portrait import Portrait, face_frame
from tamperlens.forge.regions import smooth_noise
from tamperlens.types import UInt8Array

__all__ = ["dressed", "relit", "retouched", "skin_of", "turned"]

Field = npt.NDArray[np.float32]


def relit(portrait: Portrait, rng: np.random.Generator) -> UInt8Array:
    """The portrait in other light: any of another complexion, one or two lamps, a shadow on the face, and grading."""
    image = portrait.image
    levels: Field = (image / np.float32(255)).astype(np.float32)
    if rng.random() < 0.45:
        levels = _other_skin(image, levels, rng)
    if rng.random() < 0.35:
        levels = np.asarray(levels * (1 + skin_of(image)[..., None] * (_complexion(portrait, rng) - 1)), np.float32)
    if rng.random() < 0.55:
        for _ in range(int(rng.integers(1, 3))):
            levels = np.asarray(levels * _lamp(image.shape[0], image.shape[1], rng), np.float32)
    if rng.random() < 0.25:
        levels = np.asarray(levels * _shadow(portrait, rng), np.float32)
    if rng.random() < 0.75:
        levels = _graded(levels, rng)
    return np.asarray(np.clip(np.rint(255 * levels), 0, 255), np.uint8)


def turned(portrait: Portrait, rng: np.random.Generator) -> Portrait:
    """The portrait rolled by some degrees, seen a little from one side, wider or narrower; its size stays."""
    side = portrait.image.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    middle = np.float32(side / 2)
    turn = np.deg2rad(float(rng.normal(0, 9)))
    roll = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], np.float32)
    moved = ((corners - middle) @ roll) * np.exp(rng.normal(0, 0.05, size=2)) + middle
    moved = (moved + rng.normal(0, 0.025 * side, size=(4, 2))).astype(np.float32)
    view = cv2.getPerspectiveTransform(corners, moved)
    order = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    image = cv2.warpPerspective(portrait.image, view, (side, side), flags=order, borderMode=cv2.BORDER_REPLICATE)
    landmarks = cv2.perspectiveTransform(portrait.landmarks[None].astype(np.float32), view)[0]
    return Portrait(np.asarray(image, np.uint8), np.asarray(landmarks, np.float32))


def dressed(portrait: Portrait, rng: np.random.Generator) -> UInt8Array:
    """The portrait with a hat or glasses drawn on: things with hard edges that belong to the picture."""
    image, (across, down) = portrait.image, _on_face(portrait)
    color = np.clip(rng.normal(70, 60) + rng.normal(0, 30, size=3), 5, 245)
    stuff = color + 14 * smooth_noise(across.shape, int(rng.integers(3, 9)), rng)[..., None] + rng.normal(0, 4, image.shape)
    if rng.random() < 0.5:
        brim, bend, tilt = rng.uniform(-0.95, -0.35), rng.normal(0.05, 0.15), rng.normal(0, 0.08)
        above = brim + bend * across**2 + tilt * across - down
        cover = (above > 0) & (np.abs(across) < rng.uniform(1.05, 1.9)) & (above < rng.uniform(0.12, 1.5))
        opacity = 1.0
    else:
        wide, tall, power = rng.uniform(0.30, 0.44), rng.uniform(0.22, 0.38), float(rng.choice([2, 3, 6]))
        lens = (np.abs(np.abs(across) - 0.5) / wide) ** power + (np.abs(down - rng.normal(0.05, 0.04)) / tall) ** power
        frame = (lens < 1) & (lens > rng.uniform(0.55, 0.85))
        bridge = (np.abs(down + 0.02) < 0.035) & (
            (np.abs(across) < 0.5 - wide) | ((np.abs(across) > 0.5 + wide) & (np.abs(across) < 1.1))
        )
        dark = rng.random() < 0.5
        cover, opacity = (lens < 1) | bridge if dark else frame | bridge, float(rng.uniform(0.7, 1.0)) if dark else 1.0
    weight = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), float(rng.uniform(0.4, 1.2)))[..., None] * opacity
    return np.asarray(np.clip(np.rint(image * (1 - weight) + stuff * weight), 0, 255), np.uint8)


def retouched(portrait: Portrait, rng: np.random.Generator) -> UInt8Array:
    """The portrait with its face retouched, and nothing else: skin smoothed and lightened, often eyes and lips made crisper."""
    image, (across, down) = portrait.image, _on_face(portrait)
    beyond = np.maximum(0, np.hypot(across / rng.uniform(1.0, 1.25), (down - 0.35) / rng.uniform(1.3, 1.65)) - 0.8)
    face = np.exp(-(beyond**2) / np.exp(rng.uniform(np.log(0.005), np.log(0.1)))).astype(np.float32)
    eyes = float(np.linalg.norm(portrait.landmarks[1] - portrait.landmarks[0]))
    near, smooth = eyes * float(np.exp(rng.uniform(np.log(0.02), np.log(0.14)))), image
    width = 2 * min(7, round(1.5 * near)) + 3  # of the filter, in pixels
    for _ in range(int(rng.integers(1, 3))):
        smooth = np.asarray(cv2.bilateralFilter(smooth, width, float(rng.uniform(15, 50)), near), np.uint8)
    skin = (skin_of(image) * face * np.float32(rng.uniform(0.4, 1.0)))[..., None]
    levels = image * (1 - skin) + skin * smooth * np.float32(rng.uniform(1.0, 1.1))
    if rng.random() < 0.5:
        crisp = levels + float(rng.uniform(0.3, 1.2)) * (levels - cv2.GaussianBlur(levels, (0, 0), max(0.6, eyes / 60)))
        features = np.maximum(*(_hill(across, down, *_PLACES[name]) for name in ("eyes", "lips")))[..., None]
        levels = levels * (1 - features) + crisp * features
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)


def skin_of(image: UInt8Array) -> Field:
    """How much each pixel has the colour of skin, float32 ``(H, W)`` in [0, 1]: a broad hill in chroma."""
    chroma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    skin = np.exp(-((chroma[..., 1] - 150) ** 2 / 400 + (chroma[..., 2] - 108) ** 2 / 400))
    return np.asarray(cv2.GaussianBlur(skin, (0, 0), image.shape[0] / 80), np.float32)


def _other_skin(image: UInt8Array, levels: Field, rng: np.random.Generator) -> Field:
    """Lighter, darker, redder or paler wherever there is skin: faces, necks and hands alike."""
    gain = np.exp(rng.normal(0, 0.18) + rng.normal(0, 0.07, size=3)).astype(np.float32)
    return np.asarray(levels * (1 + skin_of(image)[..., None] * (gain - 1)), np.float32)


def _on_face(portrait: Portrait) -> tuple[Field, Field]:
    """Every pixel's place in face coordinates, across and down, ``(H, W)`` each."""
    to_pixels = face_frame(portrait.landmarks).astype(np.float64)
    to_face = cv2.invertAffineTransform(to_pixels)
    y, x = np.mgrid[: portrait.image.shape[0], : portrait.image.shape[1]].astype(np.float32)
    across = to_face[0, 0] * x + to_face[0, 1] * y + to_face[0, 2]
    down = to_face[1, 0] * x + to_face[1, 1] * y + to_face[1, 2]
    return across.astype(np.float32), down.astype(np.float32)


# Where faces have a colour of their own: place across (mirrored) and down, width, height, in face coordinates.
_PLACES = {
    "cheeks": (0.62, 0.55, 0.32, 0.30),
    "nose": (0.0, 0.50, 0.22, 0.30),
    "forehead": (0.0, -0.65, 0.75, 0.38),
    "chin and beard": (0.0, 1.25, 0.60, 0.38),
    "eyes": (0.5, 0.02, 0.26, 0.16),
    "lips": (0.0, 1.0, 0.34, 0.13),
    "ears": (1.15, 0.3, 0.16, 0.40),
}


def _hill(across: Field, down: Field, x: float, y: float, wide: float, tall: float) -> npt.NDArray[np.floating]:
    """1 at a place in face coordinates and at its mirror image, falling to 0 around it."""
    return np.asarray(np.exp(-(((np.abs(across) - x) / wide) ** 2 + ((down - y) / tall) ** 2) / 2))


def _complexion(portrait: Portrait, rng: np.random.Generator) -> Field:
    """Gains ``(H, W, 3)`` of skin that is not one colour: flushed cheeks, a pale forehead, a beard's shade, make-up."""
    across, down = _on_face(portrait)
    gains = np.zeros((*across.shape, 3), np.float32)
    for x, y, wide, tall in (_PLACES[name] for name in rng.choice(list(_PLACES), size=int(rng.integers(1, 4)), replace=False)):
        x, y = x + rng.normal(0, 0.05), y + rng.normal(0, 0.08)
        wide, tall = np.exp(rng.normal(0, 0.25, size=2)) * (wide, tall)
        hill = _hill(across, down, x, y, wide, tall)
        color = rng.normal(0, 0.18) + rng.normal(0, 0.06, size=3) + rng.normal(0, 0.1) * np.array([1.0, -0.6, -0.4])
        gains += hill[..., None] * color.astype(np.float32)
    return np.asarray(np.exp(gains), np.float32)


def _shadow(portrait: Portrait, rng: np.random.Generator) -> Field:
    """What a shadow with a visible edge leaves of each pixel, ``(H, W, 3)``: of a hat, of one's own nose, or of leaves."""
    across, down = _on_face(portrait)
    bend = float(rng.normal(0, 0.25))
    kind = int(rng.integers(3))
    if kind == 0:  # above a brim's edge
        inside = rng.uniform(-0.5, 0.7) + bend * across**2 + rng.normal(0, 0.15) * across - down
    elif kind == 1:  # on one side of the face
        inside = (across - rng.normal(0, 0.35) + bend * (down - 0.5) ** 2 + rng.normal(0, 0.2) * down) * rng.choice([-1, 1])
    else:
        inside = 0.5 * smooth_noise(across.shape, int(rng.integers(4, 12)), rng) + rng.normal(0, 0.15)
    soft = float(np.exp(rng.uniform(np.log(0.01), np.log(0.15))))  # the edge, in distances between the eyes
    share = 1 / (1 + np.exp(-np.clip(inside / soft, -20, 20)))
    left = np.exp(-rng.uniform(0.15, 1.2) + rng.normal(0, 0.05) * np.array([-1.0, 0.0, 1.0]))
    return np.asarray(1 + share[..., None] * (left - 1), np.float32)


def _lamp(height: int, width: int, rng: np.random.Generator) -> Field:
    """What a lamp or its shadow does to each pixel, ``(H, W, 3)``: from a side with a soft or harder edge, or a spot."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / max(height, width) - rng.uniform(0.25, 0.75, size=2)[:, None, None]
    angle = float(rng.uniform(0, 2 * np.pi))
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    if rng.random() < 0.6:
        soft = float(np.exp(rng.uniform(np.log(0.03), np.log(0.5))))
        bent = along + float(rng.normal(0, 0.6)) * across**2
        lit = 1 / (1 + np.exp(-np.clip(bent / soft, -20, 20)))
    else:
        wide = np.exp(rng.uniform(np.log(0.18), np.log(0.6), size=2))
        lit = np.exp(-((along / wide[0]) ** 2 + (across / wide[1]) ** 2) / 2)
    strength = rng.uniform(-0.8, 0.8) + rng.normal(0, 0.06, size=3)
    return np.asarray(np.exp(lit[..., None] * strength), np.float32)


def _graded(levels: Field, rng: np.random.Generator) -> Field:
    """Exposure, contrast, white balance and saturation, as cameras and editors set them."""
    levels = np.clip(levels, 0, 1) ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    middle, slope = float(rng.uniform(0.35, 0.6)), float(np.exp(rng.uniform(-0.4, 0.5)))
    levels = (levels - middle) * slope + middle
    levels = levels * np.exp(rng.normal(0, 0.08, size=3)).astype(np.float32)
    grey = levels @ np.array([0.299, 0.587, 0.114], np.float32)
    amount = float(rng.uniform(0.0, 0.3)) if rng.random() < 0.1 else float(rng.uniform(0.5, 1.7))
    return np.asarray(grey[..., None] + amount * (levels - grey[..., None]), np.float32)
