"""Colours as an SDR screen shows them: HDR (PQ, HLG) tone-mapped, wide primaries brought to sRGB, PNG's gamma applied.

Signals are RGB in [0, 1], coded as the file codes them. Sources: ITU-R BT.2100 (PQ, HLG), ITU-R BT.2408 (graphics white at
203 cd/m2), ITU-R BT.2087 (BT.2020 to BT.709), SMPTE RP 431-2 (P3), IEC 61966-2-1 (sRGB).
"""

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from tamperlens.types import UInt8Array

__all__ = ["PRIMARIES", "TRANSFERS", "Colours", "ToSrgb", "apply_gamma", "to_srgb"]

Signal = npt.NDArray[np.float64]

TRANSFERS = {16: "PQ", 18: "HLG"}  # ITU-T H.273's numbers of the HDR transfer characteristics
PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # and of the primaries that are wider than sRGB's

WHITE = 203.0  # cd/m2 of a white sheet in HDR; it becomes SDR's white
HLG_PEAK = 1000.0  # cd/m2 of the screen that HLG is made for
KNEE = 0.85  # share of SDR's white below which tone mapping changes nothing: skin lies below it
_NODES = 33  # of the table along each axis; error below 1 of 255, see tests/media/test_display.py

_TO_BT709 = {
    9: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    11: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]],
    12: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]],
}


@dataclass(frozen=True)
class Colours:
    """How a file codes its colours, by the numbers of ITU-T H.273; 2 where it does not say."""

    transfer: int = 2
    primaries: int = 2

    @property
    def hdr(self) -> str | None:
        """ "PQ" or "HLG"; None for SDR."""
        return TRANSFERS.get(self.transfer)

    @property
    def converted(self) -> bool:
        """Whether these colours have to be converted to be shown as sRGB."""
        return self.transfer in TRANSFERS or self.primaries in PRIMARIES


def to_srgb(signal: Signal, colours: Colours) -> Signal:
    """RGB ``(..., 3)`` in [0, 1], coded by ``colours``, as sRGB in [0, 1]. SDR is taken to be coded as sRGB is."""
    if colours.transfer == 16:
        light = _pq(signal) / WHITE
    elif colours.transfer == 18:
        light = _hlg(signal) / WHITE
    else:
        light = _srgb_to_light(signal)
    if colours.primaries in _TO_BT709:
        light = light @ np.array(_TO_BT709[colours.primaries]).T
    light = np.clip(light, 0, None)
    if colours.hdr:
        brightest = light.max(axis=-1, keepdims=True)  # all three alike, so that hues stay
        light = light * (_shoulder(brightest) / np.maximum(brightest, 1e-9))
    return _light_to_srgb(np.clip(light, 0, 1))


def _pq(signal: Signal) -> Signal:
    """Light in cd/m2 (BT.2100, table 4)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = np.clip(signal, 0, 1) ** (1 / m2)
    return np.asarray(10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def _hlg(signal: Signal) -> Signal:
    """Light in cd/m2 of a screen of `HLG_PEAK` (BT.2100, table 5; system gamma 1.2)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.clip(signal, 0, 1)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    return np.asarray(HLG_PEAK * scene * np.maximum(luminance, 1e-9)[..., None] ** 0.2)


def _shoulder(light: Signal) -> Signal:
    """Unchanged up to `KNEE`, then ever flatter towards 1."""
    beyond = np.maximum(light - KNEE, 0) / (1 - KNEE)
    return np.where(light <= KNEE, light, KNEE + (1 - KNEE) * (1 - np.exp(-beyond)))


def _srgb_to_light(signal: Signal) -> Signal:
    return np.where(signal <= 0.04045, signal / 12.92, ((np.clip(signal, 0, 1) + 0.055) / 1.055) ** 2.4)


def _light_to_srgb(light: Signal) -> Signal:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


class ToSrgb:
    """Pictures of one coding to sRGB through FFmpeg's table filter (lut3d): fast enough for every frame of a video."""

    def __init__(self, colours: Colours) -> None:
        self.colours = colours
        self._graph: Any = None
        self._made_for: tuple[int, int] | None = None

    def __call__(self, picture: Any) -> Any:
        """A decoded picture (PyAV's ``VideoFrame``, any format) as a planar RGB one in sRGB, 12 bits."""
        picture = picture.reformat(format="gbrp12le")
        picture.pts, picture.time_base = None, Fraction(1, 25)
        if self._made_for != (picture.width, picture.height):
            self._graph, self._made_for = self._built(picture), (picture.width, picture.height)
        self._graph.push(picture)
        return self._graph.pull()

    def image(self, image: UInt8Array) -> UInt8Array:
        """The same for an RGB uint8 ``(H, W, 3)`` array."""
        shown = self(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"))
        return np.asarray(shown.to_ndarray(format="rgb24"), np.uint8)

    def _built(self, picture: Any) -> Any:
        graph = av.filter.Graph()
        with tempfile.TemporaryDirectory() as folder:  # the filter reads its table when it is made, and never again
            table = Path(folder) / "table.cube"
            table.write_text(_cube(self.colours))
            source = graph.add_buffer(
                width=picture.width, height=picture.height, format=picture.format.name, time_base=picture.time_base
            )
            lookup = graph.add("lut3d", file=str(table), interp="tetrahedral")
            sink = graph.add("buffersink")
            source.link_to(lookup)
            lookup.link_to(sink)
            graph.configure()
        return graph


@cache
def _cube(colours: Colours) -> str:
    """`to_srgb` as a table in Adobe's format: red runs fastest."""
    axis = np.linspace(0, 1, _NODES)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    values = to_srgb(np.stack([red, green, blue], axis=-1).reshape(-1, 3), colours)
    rows = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in values.tolist())
    return f"LUT_3D_SIZE {_NODES}\n{rows}\n"


def apply_gamma(image: UInt8Array, gamma: float) -> UInt8Array:
    """A picture as browsers show it whose PNG says that its values are light to the power of ``gamma`` (1/2.2 in sRGB)."""
    table = np.rint(255 * (np.arange(256) / 255) ** (1 / (2.2 * gamma))).astype(np.uint8)
    return np.asarray(table[image], np.uint8)
