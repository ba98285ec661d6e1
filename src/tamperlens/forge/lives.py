"""What happens to a finished picture, forged or not, on its way to whoever looks at it: graphics, screens, retouching, codecs.

None of this is face manipulation: editing the *whole* picture, or laying graphics over it, leaves a pristine face pristine and
a forged one forged. So a pristine crop and its forgery are given the same life, drawn from the same seed, and only the
forger's work tells them apart. Where an opaque graphic hides a forged pixel, that pixel is no longer one.
"""

from collections.abc import Callable

import cv2
import numpy as np

from tamperlens.forge.degrade import apply_pipeline
from tamperlens.forge.scenes import skin_of
from tamperlens.media import h264, h264_moving, jpeg, webp
from tamperlens.types import BoolArray, UInt8Array

__all__ = ["CODECS", "GRAPHICS", "RETOUCHES", "SCENES", "encode", "live"]

Change = Callable[[UInt8Array, BoolArray, np.random.Generator], tuple[UInt8Array, BoolArray]]

_WORDS = (
    "BREAKING",
    "Live",
    "news",
    "today",
    "@photo",
    "2026",
    "Follow",
    "Minister",
    "for",
    "says",
    "HD",
    "+1",
    "www",
    "report",
)
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)


def live(
    image: UInt8Array, mask: BoolArray, seed: int, *, quiet: float = 0.25, coded: float = 0.75
) -> tuple[UInt8Array, BoolArray]:
    """A picture, RGB uint8 ``(H, W, 3)``, and its mask after the life of ``seed``: the same for every picture of that size.

    With probability ``quiet`` nothing but the codec happens; ``coded`` is the probability of a codec at the end.
    """
    rng = np.random.default_rng(seed)
    if rng.random() >= quiet:
        for changes, odds in ((SCENES, 0.10), (GRAPHICS, 0.16), (RETOUCHES, 0.10)):
            if rng.random() < odds:
                names = list(changes)
                image, mask = changes[names[int(rng.integers(len(names)))]](image, mask, rng)
        image, _ = apply_pipeline(image, rng, 0.55, most=2)
    if rng.random() < coded:
        image = encode(image, rng)
    return image, mask


def encode(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """One codec of `CODECS`, by the odds."""
    names = list(CODECS)
    odds = np.array([CODECS[name][0] for name in names])
    return CODECS[str(rng.choice(names, p=odds / odds.sum()))][1](image, rng)


def _clip(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """A frame I, P or B of a moving clip."""
    frames = int(rng.integers(3, 7))
    at = int(rng.integers(frames)) if rng.random() < 0.9 else 0
    size = image.shape[0]
    speed = rng.normal(0, 0.006, size=2) * size * float(rng.choice([0.0, 0.3, 1.0, 1.0]))
    turn, zoom = float(rng.normal(0, 0.25)), float(rng.normal(0, 0.003))
    moves = []
    for number in range(frames):
        step = number - at
        move = cv2.getRotationMatrix2D((size / 2, size / 2), turn * step, 1 + zoom * step)
        move[:, 2] += speed * step
        moves.append(move.astype(np.float32))
    preset = str(rng.choice(["ultrafast", "veryfast", "veryfast", "fast"]))
    crf = 18 + int(19 * rng.beta(1, 1.7))  # to 36: what is left of a forgery at the end of the range teaches little
    return h264_moving(
        image, moves, at, crf=crf, preset=preset, b_frames=int(rng.integers(4)), interval=int(rng.integers(12, 251))
    )


def _jpeg(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    return jpeg(image, 40 + int(57 * rng.beta(1.7, 1)), subsample=bool(rng.random() < 0.7))


def _webp(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    return webp(image, int(rng.integers(45, 96)))


def _video_still(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """A still of a video, saved again as JPEG."""
    return _jpeg(_clip(image, rng) if rng.random() < 0.6 else h264(image, int(rng.integers(18, 33))), rng)


CODECS: dict[str, tuple[float, Callable[[UInt8Array, np.random.Generator], UInt8Array]]] = {
    "clip": (0.42, _clip),
    "jpeg": (0.30, _jpeg),
    "webp": (0.12, _webp),
    "video still": (0.16, _video_still),
}


# Graphics laid over the picture.


def _color(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.5:
        grey = int(rng.choice([0, 16, 32, 235, 255]))
        return (grey, grey, grey)
    red, green, blue = (int(v) for v in rng.integers(0, 256, size=3))
    return (red, green, blue)


def _text(image: UInt8Array, rng: np.random.Generator, x: int, y: int, height: int) -> UInt8Array:
    words = " ".join(rng.choice(_WORDS, size=int(rng.integers(1, 6))))
    scale = max(0.25, height / 30)
    font = int(rng.choice(_FONTS))
    drawn = np.ascontiguousarray(image.copy())
    if rng.random() < 0.4:
        cv2.putText(drawn, words, (x, y), font, scale, (0, 0, 0), max(2, round(3 * scale)), cv2.LINE_AA)
    cv2.putText(drawn, words, (x, y), font, scale, _color(rng), max(1, round(1.2 * scale)), cv2.LINE_AA)
    return np.asarray(drawn, np.uint8)


def _covered(before: UInt8Array, after: UInt8Array, mask: BoolArray) -> BoolArray:
    """The mask without what an opaque graphic hides: pixels that changed by much."""
    hidden = np.abs(before.astype(np.int16) - after.astype(np.int16)).max(axis=2) > 40
    hidden = cv2.morphologyEx(hidden.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    return np.asarray(mask & ~hidden, np.bool_)


def _caption(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """A bar of one colour with words, often over the chin."""
    side = image.shape[0]
    tall = int(rng.uniform(0.06, 0.2) * side)
    top = int(np.clip(rng.normal(0.78, 0.15), 0, 0.95) * side) if rng.random() < 0.75 else int(rng.uniform(0, 0.2) * side)
    drawn = image.copy()
    opacity = float(rng.choice([1.0, 1.0, 0.8, 0.6]))
    band = drawn[top : top + tall].astype(np.float32)
    drawn[top : top + tall] = np.rint(band * (1 - opacity) + opacity * np.array(_color(rng), np.float32)).astype(np.uint8)
    drawn = _text(drawn, rng, int(rng.uniform(-0.2, 0.3) * side), top + int(tall * 0.75), int(tall * rng.uniform(0.4, 0.8)))
    hidden = mask.copy()
    if opacity > 0.9:
        hidden[top : top + tall] = False
    return drawn, hidden


def _words(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """Words without a bar: subtitles, a watermark, a meme."""
    side = image.shape[0]
    drawn = image
    for _ in range(int(rng.integers(1, 4))):
        x, y = int(rng.uniform(-0.1, 0.6) * side), int(rng.uniform(0.05, 1.0) * side)
        drawn = _text(drawn, rng, x, y, int(rng.uniform(0.04, 0.13) * side))
    if rng.random() < 0.3:  # half transparent
        return np.asarray(cv2.addWeighted(image, 0.6, drawn, 0.4, 0), np.uint8), mask
    return drawn, _covered(image, drawn, mask)


def _stickers(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """Logos, emoji, circles, arrows and boxes."""
    side = image.shape[0]
    drawn, hidden = np.ascontiguousarray(image.copy()), np.zeros(mask.shape, np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        x, y = (int(v) for v in rng.uniform(0, side, size=2))
        size, color = int(rng.uniform(0.04, 0.14) * side), _color(rng)
        shape = int(rng.integers(4))
        thick = -1 if rng.random() < 0.6 else max(1, size // 6)
        for canvas, ink in ((drawn, color), (hidden, (1, 1, 1))):
            if shape == 0:
                cv2.circle(canvas, (x, y), size, ink, thick, cv2.LINE_AA if canvas is drawn else cv2.LINE_8)
            elif shape == 1:
                cv2.rectangle(canvas, (x, y), (x + 2 * size, y + size), ink, thick)
            elif shape == 2:
                cv2.ellipse(canvas, (x, y), (2 * size, size), 0, 0, 360, ink, thick)
            else:
                cv2.arrowedLine(canvas, (x, y), (x + 2 * size, y + size), ink, max(2, size // 5))
    return np.asarray(drawn, np.uint8), np.asarray(mask & (hidden == 0), np.bool_)


def _bars(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """Bars of one colour at two opposite sides, as where a clip's shape does not fit the screen."""
    side = image.shape[0]
    first, second = (int(v) for v in rng.uniform(0, 0.22, size=2) * side)
    drawn, kept, color = image.copy(), mask.copy(), np.array(_color(rng), np.uint8)
    places = (slice(0, first), slice(side - second, side))
    upright = rng.random() < 0.5
    for place in places:
        if upright:
            drawn[:, place], kept[:, place] = color, False
        else:
            drawn[place], kept[place] = color, False
    return drawn, kept


def _screenshot(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """An app around the picture: a panel with lines of words and buttons on one or two sides."""
    drawn, kept = _bars(image, mask, rng)
    side = image.shape[0]
    for _ in range(int(rng.integers(1, 4))):
        y = int(rng.choice([rng.uniform(0, 0.12), rng.uniform(0.88, 1.0)]) * side)
        drawn = _text(drawn, rng, int(rng.uniform(0, 0.5) * side), y, int(rng.uniform(0.03, 0.07) * side))
    return drawn, kept & _covered(image, drawn, mask)


GRAPHICS: dict[str, Change] = {
    "caption": _caption,
    "words": _words,
    "stickers": _stickers,
    "bars": _bars,
    "screenshot": _screenshot,
}


# The picture shown somewhere, and photographed there.


def _poster(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """The picture on a wall, seen at an angle."""
    side = image.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    moved = (corners - side / 2) * float(rng.uniform(0.72, 0.98)) + side / 2
    moved = (moved + rng.normal(0, 0.03 * side, size=(4, 2))).astype(np.float32)
    view = cv2.getPerspectiveTransform(corners, moved)
    wall = np.full_like(image, 0) + np.array(_color(rng), np.uint8)
    wall = np.clip(wall + rng.normal(0, 6, size=image.shape), 0, 255).astype(np.uint8)
    drawn = cv2.warpPerspective(image, view, (side, side), dst=wall.copy(), borderMode=cv2.BORDER_TRANSPARENT)
    kept = cv2.warpPerspective(mask.astype(np.uint8), view, (side, side), flags=cv2.INTER_NEAREST)
    return np.asarray(drawn, np.uint8), np.asarray(kept > 0, np.bool_)


def _screen(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """A screen, filmed: moire, a cast, less contrast, a little blur."""
    side = image.shape[0]
    y, x = np.mgrid[:side, :side].astype(np.float32)
    pattern = np.zeros((side, side), np.float32)
    for _ in range(2):
        angle, period = float(rng.uniform(0, np.pi)), float(rng.uniform(2.2, 12))
        pattern += np.sin(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period)
    soft = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.1))).astype(np.float32)
    cast = rng.uniform(0.88, 1.08, size=3).astype(np.float32)
    lifted = soft * cast * float(rng.uniform(0.75, 1.0)) + float(rng.uniform(0, 25))
    return np.clip(np.rint(lifted + pattern[..., None] * float(rng.uniform(0.5, 5))), 0, 255).astype(np.uint8), mask


SCENES: dict[str, Change] = {"poster": _poster, "screen": _screen}


# The whole picture retouched.


def _beauty(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """Skin smoothed wherever there is any, as beauty filters do it: retouching, in a forged face as in a pristine one."""
    skin = skin_of(image)[..., None] * np.float32(rng.uniform(0.5, 1.0))
    smooth = cv2.bilateralFilter(image, 7, float(rng.uniform(15, 45)), float(rng.uniform(3, 6))).astype(np.float32)
    bright = smooth * float(rng.uniform(1.0, 1.08))
    return np.clip(np.rint(image * (1 - skin) + bright * skin), 0, 255).astype(np.uint8), mask


def _cartoon(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """Flat colours and drawn edges."""
    flat = image
    for _ in range(int(rng.integers(1, 3))):
        flat = np.asarray(cv2.bilateralFilter(flat, 7, 40, 5), np.uint8)
    if rng.random() < 0.5:
        grey = cv2.medianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 5)
        edges = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 4)
        flat = np.asarray(cv2.bitwise_and(flat, flat, mask=edges), np.uint8)
    return flat, mask


def _vivid(image: UInt8Array, mask: BoolArray, rng: np.random.Generator) -> tuple[UInt8Array, BoolArray]:
    """Local contrast, colours and sharpness turned up."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(float(rng.uniform(1.5, 4)), (8, 8)).apply(lab[..., 0])
    strong = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    soft = cv2.GaussianBlur(strong, (0, 0), 3)
    return np.asarray(cv2.addWeighted(strong, 1.4, soft, -0.4, 0), np.uint8), mask


RETOUCHES: dict[str, Change] = {"beauty": _beauty, "cartoon": _cartoon, "vivid": _vivid}
