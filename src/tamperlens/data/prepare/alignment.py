"""Whether frames of two clips that bear the same index show the same moment.

Where they do not, a mask of their differences shows how the head has moved. Numbers cannot tell: whoever drops the
first frames and counts anew from 0 leaves a folder that looks right. Pictures can: of all frames of the original, the
manipulated frame should be most like the one of its own index.
"""

from collections import deque

import cv2
import numpy as np

from tamperlens.media import fit_within
from tamperlens.types import UInt8Array

__all__ = ["REACH", "Alignment", "Thumbnails", "is_near"]

REACH = 3  # frames to either side that are compared
SIDE = 160  # pixels of a small picture's longer side
CLIP = 32  # of 255: larger differences count as this one, or the changed face would outweigh all that moves
BETTER = 0.9  # another frame is meant where the differences from it are less than this share of those from the same index
SURELY = 0.5  # of a single frame: so much less, and no noise nor change of the face explains it
AGREED = 2 / 3  # of the frames compared


def is_near(index: int, every: int) -> bool:
    """Whether a frame lies within reach of a multiple of ``every``."""
    return (index + REACH) % every <= 2 * REACH


class Thumbnails:
    """Small grey pictures of the original's latest frames."""

    def __init__(self) -> None:
        self._pictures: dict[int, UInt8Array] = {}
        self.latest = -1

    def add(self, index: int, image: UInt8Array) -> None:
        """Takes frame ``index``, RGB uint8 ``(H, W, 3)``; indices grow."""
        self._pictures[index], self.latest = small(image), index

    def around(self, index: int) -> dict[int, UInt8Array]:
        """Those within reach of ``index`` by how far they lie behind it."""
        return {k: self._pictures[index + k] for k in range(-REACH, REACH + 1) if index + k in self._pictures}

    def forget(self, before: int) -> None:
        """Drops what lies before an index."""
        for index in [index for index in self._pictures if index < before]:
            del self._pictures[index]


class Alignment:
    """Compares frame after frame of one clip with the frames of its original around the same index."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, UInt8Array]] = deque()
        self._costs: list[dict[int, float]] = []  # per frame: how far away -> mean difference
        self.astray: int | None = None  # the first frame that by itself surely shows another moment, as where two are exchanged

    def see(self, index: int, image: UInt8Array) -> None:
        """Takes the clip's frame ``index``, RGB uint8 ``(H, W, 3)``; indices grow."""
        self._waiting.append((index, small(image)))

    def settle(self, originals: Thumbnails, *, ended: bool = False) -> None:
        """Compares the frames whose neighbours in the original are there."""
        while self._waiting and (ended or self._waiting[0][0] + REACH <= originals.latest):
            index, own = self._waiting.popleft()
            around = originals.around(index)
            if len(around) > 1 and 0 in around and all(other.shape == own.shape for other in around.values()):
                differences = {k: np.minimum(cv2.absdiff(own, other), CLIP) for k, other in around.items()}
                costs = {k: float(values.mean()) for k, values in differences.items()}
                self._costs.append(costs)
                if self.astray is None and min(costs.values()) < SURELY * costs[0]:
                    self.astray = index

    @property
    def apart(self) -> int:
        """By how many frames the clip is ahead of its original, in most of the frames compared; 0 where it is not."""
        moving = [costs for costs in self._costs if _moves(costs)]
        moving = [costs for costs in moving if len(costs) == 2 * REACH + 1] or moving  # near a clip's ends one side is missing
        best = [min(costs, key=lambda k: (costs[k], abs(k))) for costs in moving]
        later, earlier = [k for k in best if k > 0], [k for k in best if k < 0]
        agreed = max(later, earlier, key=len)  # far away, the nearest in reach changes from frame to frame
        if not agreed or len(agreed) < AGREED * len(best):
            return 0
        shift = max(set(agreed), key=agreed.count)
        pairs = [(costs[shift], costs[0]) for costs in moving if shift in costs]
        there, here = np.sum(pairs, axis=0)
        return shift if there < BETTER * here else 0


def _moves(costs: dict[int, float]) -> bool:
    """Whether anything moves here: a still picture is like all its neighbours."""
    return min(costs.values()) < BETTER * max(costs.values())


def small(image: UInt8Array) -> UInt8Array:
    """Grey uint8, its longer side at most `SIDE` pixels, of an RGB uint8 ``(H, W, 3)`` picture."""
    return np.asarray(cv2.cvtColor(fit_within(image, SIDE), cv2.COLOR_RGB2GRAY), np.uint8)
