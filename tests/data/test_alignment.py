"""Frames of one index that do not show the same moment are found out by what they show."""

import numpy as np
import pytest

from tamperlens.data.prepare.alignment import REACH, Alignment, Thumbnails, is_near
from trees import changed_area, clip_frames, manipulated_frames, texture

COUNT = 24


def ahead(manipulated, originals) -> int:
    alignment, small = Alignment(), Thumbnails()
    for index, frame in enumerate(originals):
        small.add(index, frame)
        if index < len(manipulated):
            alignment.see(index, manipulated[index])
        alignment.settle(small)
        small.forget(index - 2 * REACH)
    alignment.settle(small, ended=True)
    return alignment.apart


@pytest.mark.parametrize("shift", [-3, -2, -1, 0, 1, 2, 3])
def test_clips_that_begin_later_or_earlier_are_found(shift):
    originals, manipulated = clip_frames("000", COUNT), manipulated_frames("000", "003", count=COUNT)
    assert ahead(manipulated[max(0, shift) :], originals[max(0, -shift) :]) == shift


def test_single_frames_that_were_exchanged_repeated_or_lost_are_found():
    originals, right = clip_frames("000", COUNT), manipulated_frames("000", "003", count=COUNT)
    for index, wrong in (
        (12, [*right[:12], right[13], right[12], *right[14:]]),
        (12, [*right[:12], right[11], *right[13:]]),
        (20, [*right[:20], *right[21:], right[-1]]),
        (None, right),
    ):
        alignment, small = Alignment(), Thumbnails()
        for number, frame in enumerate(originals):
            small.add(number, frame)
            alignment.see(number, wrong[number])
        alignment.settle(small, ended=True)
        assert alignment.astray == index and alignment.apart == 0


def test_far_ones_are_found_to_be_apart_at_all():
    def rolled(offset):  # slow enough for neighbours to lead the way
        return [np.roll(texture(3), (offset + index) // 2, axis=1) for index in range(COUNT)]

    assert ahead(rolled(8), rolled(0)) > 0 > ahead(rolled(0), rolled(8))


def test_where_nothing_moves_nothing_is_apart():
    still = [texture(1)] * COUNT
    noisy = [np.clip(frame + np.random.default_rng(i).normal(0, 6, frame.shape), 0, 255) for i, frame in enumerate(still)]
    assert ahead([frame.astype(np.uint8) for frame in noisy], still) == 0
    # Nor does a face that was changed wholly, and moves while the rest stands still, tell of another moment.
    area = changed_area(radius=40)[..., None]
    speaking = [np.where(area, np.roll(texture(2), 3 * index, axis=0), frame) for index, frame in enumerate(still)]
    assert ahead(speaking, still) == 0
    alignment, small = Alignment(), Thumbnails()
    for number, frame in enumerate(still):
        small.add(number, frame)
        alignment.see(number, speaking[number])
    alignment.settle(small, ended=True)
    assert alignment.astray is None


def test_frames_near_a_multiple_are_those_within_reach():
    assert [index for index in range(24) if is_near(index, 10)] == [0, 1, 2, 3, *range(7, 14), *range(17, 24)]
