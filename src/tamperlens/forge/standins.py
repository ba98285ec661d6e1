"""Stand-ins for FaceForensics++'s four methods, built from what defines the real ones. They are not FaceForensics++.

A stand-in is made once per clip, so that its choices stay the same from frame to frame, and then called on each frame with that
frame's landmarks. It returns the forged frame and its exact mask.
"""

from collections.abc import Callable

import cv2
import numpy as np

from tamperlens.forge.content import match_color
from tamperlens.forge.learned import AUTOENCODER_SIDE, decode, encode, render_finely
from tamperlens.forge.portrait import Portrait, face_frame
from tamperlens.forge.regions import blend, poisson
from tamperlens.types import BoolArray, FaceBox, FloatArray, UInt8Array

__all__ = ["STANDINS", "Standin"]

# (frame, landmarks (5, 2), face box, seconds) -> forged frame and mask
Standin = Callable[[UInt8Array, FloatArray, FaceBox, float], tuple[UInt8Array, BoolArray]]

RENDERED_SQUARE = 1.7  # side of NeuralTextures' square, in face boxes
ALIGNED_REACH = 1.45  # half side of the aligned face square, in face coordinates


def _to_square(landmarks: FloatArray, side: int) -> FloatArray:
    """Similarity-free affine map (2, 3) from frame pixels to an aligned face square of ``side`` pixels."""
    frame_of_face = np.vstack([face_frame(landmarks), [0, 0, 1]])
    face_of_square = np.array(
        [[2 * ALIGNED_REACH / side, 0, -ALIGNED_REACH], [0, 2 * ALIGNED_REACH / side, 0.4 - ALIGNED_REACH], [0, 0, 1]]
    )
    return np.asarray(np.linalg.inv(frame_of_face @ face_of_square)[:2], np.float32)


def aligned_face(image: UInt8Array, landmarks: FloatArray, side: int = AUTOENCODER_SIDE) -> UInt8Array:
    """The face of a picture warped so that its eyes and mouth lie at fixed places: RGB uint8 ``(side, side, 3)``."""
    moved = cv2.warpAffine(
        image, _to_square(landmarks, side), (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def _oval(shape: tuple[int, int], landmarks: FloatArray, reach: tuple[float, float], feather: float) -> FloatArray:
    """A face oval as blending weights that end, of half width and height ``reach`` in face coordinates."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    outline = np.stack([reach[0] * np.cos(angle), 0.45 + reach[1] * np.sin(angle), np.ones(64)])
    hard = np.zeros(shape, np.uint8)
    cv2.fillPoly(hard, [np.rint((face_frame(landmarks) @ outline).T).astype(np.int32)], (1,))
    depth = cv2.distanceTransform(hard, cv2.DIST_L2, 3)
    return np.asarray(np.clip(depth / max(1.0, feather * float(depth.max())), 0, 1), np.float32)


def deepfakes(donor: Portrait, rng: np.random.Generator) -> Standin:
    """sDF: the aligned face through a learned encoder and decoder, half way to the donor's, pasted by Poisson editing."""
    donor_code = encode(aligned_face(donor.image, donor.landmarks))
    share = float(rng.uniform(0.35, 0.6))

    def forge(frame: UInt8Array, landmarks: FloatArray, face: FaceBox, seconds: float) -> tuple[UInt8Array, BoolArray]:
        code = encode(aligned_face(frame, landmarks))
        drawn = decode((1 - share) * code + share * donor_code)
        to_square = _to_square(landmarks, AUTOENCODER_SIDE)
        height, width = frame.shape[:2]
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        content = cv2.warpAffine(drawn, to_square, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        inner = np.zeros((AUTOENCODER_SIDE, AUTOENCODER_SIDE), np.uint8)
        edge = AUTOENCODER_SIDE // 8
        inner[edge:-edge, edge:-edge] = 1  # the rectangle in which Poisson editing works
        mask = cv2.warpAffine(inner, to_square, (width, height), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP) > 0
        return poisson(np.asarray(content, np.uint8), frame, mask), mask

    return forge


def _moved_mouth(frame: UInt8Array, landmarks: FloatArray, seconds: float, speed: float, amount: float) -> UInt8Array:
    """The picture with its mouth opened and closed in time: a smooth warp around the mouth, every moved pixel interpolated."""
    height, width = frame.shape[:2]
    (mouth_x, mouth_y), eyes = landmarks[3:].mean(axis=0), float(np.linalg.norm(landmarks[1] - landmarks[0]))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    weight = np.exp(-(((x - mouth_x) / (0.55 * eyes)) ** 2 + ((y - mouth_y) / (0.40 * eyes)) ** 2))
    opening = amount * eyes * (0.6 + 0.4 * np.sin(2 * np.pi * speed * seconds))
    moved_y = (y - opening * weight * np.tanh((y - mouth_y) / (0.15 * eyes))).astype(np.float32)
    moved = cv2.remap(frame, x, moved_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _tone(rng: np.random.Generator) -> FloatArray:
    """By how much a renderer misses the camera's colours, of 255: without it flat areas would come out as they were."""
    return np.asarray(rng.choice([-1, 1], 3) * rng.uniform(2, 4, 3), np.float32)


def _toned(image: UInt8Array | FloatArray, tone: FloatArray) -> UInt8Array:
    return np.asarray(np.clip(np.rint(image + tone), 0, 255), np.uint8)


def face2face(donor: Portrait, rng: np.random.Generator) -> Standin:
    """sF2F: the target's own face warped to another expression and rendered again inside the face's oval."""
    speed, amount = float(rng.uniform(0.5, 1.5)), float(rng.choice([-1, 1]) * rng.uniform(0.08, 0.16))
    tone = _tone(rng)

    def forge(frame: UInt8Array, landmarks: FloatArray, face: FaceBox, seconds: float) -> tuple[UInt8Array, BoolArray]:
        moved = _moved_mouth(frame, landmarks, seconds, speed, amount)
        # Rendered again: interpolated at a slight offset, as a textured model is.
        half = np.array([[1, 0, 0.5], [0, 1, 0.5]], np.float32)
        drawn = cv2.warpAffine(moved, half, (frame.shape[1], frame.shape[0]), borderMode=cv2.BORDER_REPLICATE)
        alpha = _oval(frame.shape[:2], landmarks, (0.95, 1.1), 0.05)
        return blend(frame, _toned(np.asarray(drawn, np.uint8), tone), alpha), alpha > 0

    return forge


def faceswap(donor: Portrait, rng: np.random.Generator) -> Standin:
    """sFS: the donor's face warped onto the target's landmarks, colour matched and feathered."""
    feather = float(rng.uniform(0.1, 0.25))
    source = np.hstack([donor.landmarks, np.ones((5, 1), np.float32)])

    def forge(frame: UInt8Array, landmarks: FloatArray, face: FaceBox, seconds: float) -> tuple[UInt8Array, BoolArray]:
        affine, *_ = np.linalg.lstsq(source, landmarks, rcond=None)
        size = (frame.shape[1], frame.shape[0])
        content = cv2.warpAffine(donor.image, affine.T.astype(np.float64), size, borderMode=cv2.BORDER_REFLECT)
        alpha = _oval(frame.shape[:2], landmarks, (0.9, 1.05), feather)
        matched = match_color(np.asarray(content, np.uint8), frame, alpha > 0)
        return blend(frame, matched, alpha), alpha > 0

    return forge


def _slight_tone(rng: np.random.Generator) -> FloatArray:
    """As `_tone`, hardly to be seen; signs differ, so that no change of brightness makes up for it in all channels at once."""
    signs = rng.permutation([1, 1, -1]) * rng.choice([-1, 1])
    return np.asarray(signs * rng.uniform(0.8, 1.3, 3), np.float32)


def neural_textures(donor: Portrait, rng: np.random.Generator) -> Standin:
    """sNT: the whole square of 1.7 face boxes drawn again by a learned renderer, with the mouth moved.

    A neural texture was learned from the target's own footage, so what is drawn keeps part of the frame's grain, and is most
    unlike the frame around the mouth.
    """
    speed, amount = float(rng.uniform(0.5, 1.5)), float(rng.choice([-1, 1]) * rng.uniform(0.10, 0.20))
    grain, least, tone = float(rng.uniform(0.5, 0.8)), float(rng.uniform(0.3, 0.5)), _slight_tone(rng)

    def forge(frame: UInt8Array, landmarks: FloatArray, face: FaceBox, seconds: float) -> tuple[UInt8Array, BoolArray]:
        height, width = frame.shape[:2]
        side = min(round(RENDERED_SQUARE * face.size), height, width)
        left = int(np.clip(round(face.center[0] - side / 2), 0, width - side))
        top = int(np.clip(round(face.center[1] - side / 2), 0, height - side))
        square = (slice(top, top + side), slice(left, left + side))
        moved = _moved_mouth(frame, landmarks, seconds, speed, amount)[square]
        seen = moved.astype(np.float32)
        drawn = render_finely(moved) + grain * (seen - cv2.GaussianBlur(seen, (0, 0), 1.0))
        y, x = np.mgrid[top : top + side, left : left + side].astype(np.float32)
        mouth_x, mouth_y = landmarks[3:].mean(axis=0)
        distance = np.hypot(x - mouth_x, y - mouth_y) / (side / 2)
        weight = least + (1 - least) * np.exp(-((distance / 0.5) ** 2))[..., None]
        # The renderer passes every pixel; where it happens to give the old value, the square is still its work.
        forged, mask = frame.copy(), np.zeros((height, width), np.bool_)
        forged[square], mask[square] = _toned(seen + weight * (drawn - seen), tone), True
        return forged, mask

    return forge


# code of the method in data/readers/methods.py -> how to make one for a clip
STANDINS: dict[str, Callable[[Portrait, np.random.Generator], Standin]] = {
    "sDF": deepfakes,
    "sF2F": face2face,
    "sFS": faceswap,
    "sNT": neural_textures,
}
