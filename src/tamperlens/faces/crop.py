"""The enlarged square around a face, and the way back from the crop to the picture.

Boxes and crops are in pixels of the upright picture: x to the right, y down, upper bounds exclusive.
"""

import cv2
import numpy as np

from tamperlens.types import FaceBox, FaceCrop, FloatArray, UInt8Array

__all__ = ["ENLARGE", "crop_face", "face_square", "inside_slices", "paste_map"]

ENLARGE = 2.0  # the paper enlarges the detected box by two, so that the crop shows face and surroundings


def crop_face(image: UInt8Array, face: FaceBox, enlarge: float = ENLARGE) -> FaceCrop:
    """The square of side ``enlarge * face.size`` around the box's centre, at the picture's own resolution.

    ``image`` is RGB uint8 ``(H, W, 3)``. Side and corner are rounded to whole pixels. Raises ``ValueError`` where the
    square shows nothing of the picture.

    Parts outside the picture repeat its border pixels: black would put a hard edge into the crop, which is what a
    network looks for as the seam of a splice, and mirroring would invent a second mouth or eye.
    """
    height, width = image.shape[:2]
    side = max(1, round(enlarge * face.size))
    center_x, center_y = face.center
    left, top = round(center_x - side / 2), round(center_y - side / 2)
    rows, columns = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
    seen = max(0, rows.stop - rows.start) * max(0, columns.stop - columns.start)
    if seen == 0:
        raise ValueError(f"{face} lies outside the {width}x{height} picture; pass the picture it was found in")
    before, after = (rows.start - top, columns.start - left), (top + side - rows.stop, left + side - columns.stop)
    pixels = cv2.copyMakeBorder(image[rows, columns], before[0], after[0], before[1], after[1], cv2.BORDER_REPLICATE)
    return FaceCrop(image=np.asarray(pixels, np.uint8), left=left, top=top, face=face, inside=seen / side**2)


def inside_slices(crop: FaceCrop, height: int, width: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a crop and a picture of ``height`` x ``width`` pixels meet.

    Returns ``(rows, columns)`` of the picture and ``(rows, columns)`` of the crop: two views of the same pixels.
    """
    top, bottom = (min(max(y, 0), height) for y in (crop.top, crop.top + crop.side))
    left, right = (min(max(x, 0), width) for x in (crop.left, crop.left + crop.side))
    return (
        (slice(top, bottom), slice(left, right)),
        (slice(top - crop.top, bottom - crop.top), slice(left - crop.left, right - crop.left)),
    )


def face_square(face: FaceBox, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a picture of ``height`` x ``width`` pixels that the crop around a face shows; may be empty."""
    side = max(1, round(ENLARGE * face.size))
    left, top = (round(center - side / 2) for center in face.center)
    rows, columns = ((max(start, 0), min(start + side, end)) for start, end in ((top, height), (left, width)))
    return slice(rows[0], max(rows)), slice(columns[0], max(columns))


def paste_map(canvas: FloatArray, crop: FaceCrop, crop_map: FloatArray) -> None:
    """Lays a crop's pixel map back over the picture, in place; where crops overlap the larger value stays.

    ``canvas`` is float32 ``(H, W)`` of the picture, ``crop_map`` float32 ``(S, S)`` of the crop. What lies outside the
    picture is dropped. Raises ``ValueError`` where the map is not of the crop's size.
    """
    if crop_map.shape != (crop.side, crop.side):
        raise ValueError(
            f"a pixel map must have its crop's size ({crop.side}, {crop.side}); got {crop_map.shape}: resize it first"
        )
    on_canvas, on_crop = inside_slices(crop, *canvas.shape)
    canvas[on_canvas] = np.maximum(canvas[on_canvas], crop_map[on_crop])
