"""From a decoded video picture to what a viewer sees: fields joined, colours for an SDR screen, square pixels, upright."""

import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Interpolation

from tamperlens.media.colours import TRANSFERS, Colours, ToSrgb
from tamperlens.media.opening import upright
from tamperlens.types import UInt8Array

__all__ = [
    "Deinterlacer",
    "Display",
    "colours_of",
    "display_orientation",
    "on_white",
    "projection_of",
    "settle_colours",
    "shown_size",
    "size_is_hd",
]

_MOST = 8.0  # a pixel is at most so many times as wide as high, or as high as wide: what asks for more is broken
_UNSAID = 2  # in ITU-T H.273
_MATRICES = (1, 4, 5, 6, 7, 9)  # of H.273, which FFmpeg converts
_BOTH_EYES = (1, 2, 6)  # FFmpeg's numbers (AVStereo3DType) of two pictures in one: side by side, one above the other, quincunx
_NOT_READ = "which are not read: colours are not as shown"
_FOREIGN = {
    8: f"the video is coded in YCgCo colours, {_NOT_READ}",
    10: f"the video is coded in BT.2020 colours of constant luminance, {_NOT_READ}",
    14: f"the video is coded in ICtCp colours, {_NOT_READ}",
    15: f"the video is coded in Dolby Vision's colours, {_NOT_READ}",
    16: f"the video is coded in YCgCo colours, {_NOT_READ}",
    17: f"the video is coded in YCgCo colours, {_NOT_READ}",
}


def shown_size(width: int, height: int, ratio: Fraction | None) -> tuple[int, int]:
    """Width and height, in square pixels, of a picture whose pixels are ``ratio`` times as wide as high.

    As players do: the shorter side is stretched, nothing is thrown away. A ratio that changes no side by more than a hundredth
    comes from rounding (and players show it as it is), and an absurd one from a broken header: neither counts.
    """
    if not ratio or not 1 / _MOST <= ratio <= _MOST:
        return width, height
    wide, high = (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))
    return (width, height) if max(wide / width, high / height) < 1.01 else (wide, high)


def colours_of(picture: Any) -> Colours:
    """How a decoded picture codes its colours."""
    return Colours(int(picture.color_trc), int(picture.color_primaries))


def on_white(rgba: UInt8Array) -> UInt8Array:
    """RGBA ``(H, W, 4)`` on white, as documents and browsers show a transparent picture."""
    alpha = rgba[..., 3:].astype(np.uint16)
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return np.asarray((mixed + 127) // 255, np.uint8)


def size_is_hd(width: int, height: int) -> bool:
    """Whether players take BT.709 colours where a file names none; BT.601 below."""
    return width >= 1280 or height > 576


class Display:
    """Makes RGB pictures of a stream's decoded ones; notes say what had to be done, in words for people."""

    def __init__(self, ratio: Fraction | None) -> None:
        self.ratio = ratio  # a pixel's width over its height
        self._to_srgb: ToSrgb | None = None

    def __call__(self, picture: Any) -> tuple[UInt8Array, list[str]]:
        """RGB uint8 ``(H, W, 3)``, upright, in square pixels, and the notes."""
        (orientation, notes), damaged = display_orientation(picture), picture.is_corrupt
        size = shown_size(picture.width, picture.height, self.ratio)
        if size != (picture.width, picture.height) and self.ratio:
            shape = f"{self.ratio.numerator}:{self.ratio.denominator}"
            notes.append(f"pixels are not square ({shape}); {picture.width}x{picture.height} is shown as {size[0]}x{size[1]}")
        picture = self._in_srgb(picture, notes)
        see_through = any(part.is_alpha for part in picture.format.components)
        if size == (picture.width, picture.height):
            image = picture.to_ndarray(format="rgba" if see_through else "rgb24")
        else:
            kinds = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
            image = picture.reformat(*size, format="rgba" if see_through else "rgb24", interpolation=kinds).to_ndarray()
        if see_through:
            if int(image[..., 3].min()) < 255:
                notes.append("the picture is partly transparent and was laid on white")
            image = on_white(image)
        if damaged:
            notes.append("the frame is damaged")
        return upright(image, orientation), notes

    def _in_srgb(self, picture: Any, notes: list[str]) -> Any:
        colours = colours_of(picture)
        if not colours.converted or picture.format.name.startswith(("gray", "pal")):
            return picture
        if colours.hdr:
            notes.append(f"the video is HDR ({colours.hdr}); it was tone-mapped to SDR, so colours are close, not equal")
        if self._to_srgb is None or self._to_srgb.colours != colours:
            self._to_srgb = ToSrgb(colours)
        return self._to_srgb(picture)


def settle_colours(picture: Any, of_container: tuple[int, int, int]) -> str | None:
    """Fills in what a decoded picture leaves open of its colours, as players do; returns words where they are not shown right.

    What the picture does not say, its container may (``of_container``: transfer, primaries and matrix by ITU-T H.273, 2 for
    unsaid). A matrix that neither names is BT.2020's for HDR, BT.709's from HD on, and BT.601's below.
    """
    coded = (picture.color_trc, picture.color_primaries, picture.colorspace)
    transfer, primaries, matrix = (
        int(other) if int(own) == _UNSAID else int(own) for own, other in zip(coded, of_container, strict=True)
    )
    if transfer in TRANSFERS and primaries == _UNSAID:
        primaries = 9
    picture.color_trc, picture.color_primaries = transfer, primaries
    if picture.format.is_rgb or picture.format.name.startswith("gray"):
        return None
    known = matrix in _MATRICES
    if not known:
        picture.colorspace = 9 if primaries == 9 else 1 if size_is_hd(picture.width, picture.height) else 6
    else:
        picture.colorspace = matrix
    return _FOREIGN.get(matrix)


def display_orientation(picture: Any) -> tuple[int, list[str]]:
    """EXIF's number for how a stored video frame is to be turned, from its display matrix."""
    # Not picture.side_data: that and the picture hold each other, so pictures pile up until garbage is collected.
    data = SideDataContainer(picture).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # unknown to its stubs
    if data is None:
        return 1, []
    a, b, _, c, d = np.sign(np.frombuffer(bytes(data), np.int32)[:5]).tolist()
    turns = {
        (1, 0, 0, 1): 1,
        (-1, 0, 0, 1): 2,
        (-1, 0, 0, -1): 3,
        (1, 0, 0, -1): 4,
        (0, 1, 1, 0): 5,
        (0, 1, -1, 0): 6,
        (0, -1, -1, 0): 7,
        (0, -1, 1, 0): 8,
    }
    if (a, b, c, d) in turns:
        return turns[a, b, c, d], []
    return 1, ["the video asks to be shown at a slant; it is shown as stored"]


def projection_of(picture: Any) -> str | None:
    """What is told of a picture that players do not show as it is stored: one for a sphere, or one for each eye."""
    data = SideDataContainer(picture)  # type: ignore[call-arg]  # as above
    if data.get("SPHERICAL") is not None:
        return "the video is a 360 degree one: players show a part of it; it was inspected as stored, where faces are bent"
    kind = data.get("STEREO3D")
    if kind is not None and int.from_bytes(bytes(kind)[:4], sys.byteorder) in _BOTH_EYES:
        return "the video holds a picture for each eye side by side, or one above the other; it was inspected as stored"
    return None


class Deinterlacer:
    """Whole pictures of interlaced ones, by FFmpeg's bwdif, which looks at the picture before and after.

    From the first interlaced picture on everything passes through it, and comes out one picture later; what is progressive is
    left as it is.
    """

    def __init__(self) -> None:
        self.used = False
        self._graph: Any = None
        self._made_for: tuple[Any, ...] = ()

    def __call__(self, picture: Any) -> Iterator[Any]:
        """What can be given once this picture is known."""
        if not self.used and not picture.interlaced_frame:
            yield picture
            return
        self.used = True
        kind = picture.width, picture.height, picture.format.name, picture.time_base
        if kind != self._made_for:
            yield from self.rest()
            self._graph, self._made_for = _bwdif(*kind), kind
        self._graph.push(picture)
        yield from self._ready()

    def rest(self) -> Iterator[Any]:
        """The last pictures."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._ready()
            self._graph, self._made_for = None, ()

    def _ready(self) -> Iterator[Any]:
        while True:
            try:
                yield self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _bwdif(width: int, height: int, format: str, time_base: Fraction) -> Any:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format=format, time_base=time_base)
    filters = [graph.add("bwdif", mode="send_frame", deint="interlaced"), graph.add("buffersink")]
    for before, after in zip([source, *filters], filters, strict=False):
        before.link_to(after)
    graph.configure()
    return graph
