import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from tamperlens.media.cuts import CHANGED, FLASH, MAX_HELD, difference, with_changes
from tamperlens.types import UInt8Array


def scene(seed: int) -> UInt8Array:
    """A large grey picture of blots, as a place might look from afar."""
    noise = np.random.default_rng(seed).normal(0, 1, (216, 384)).astype(np.float32)
    blots = cv2.GaussianBlur(noise, (0, 0), 18)
    return np.asarray(np.clip(120 + 45 * blots / blots.std(), 0, 255), np.uint8)


def small(picture: UInt8Array) -> UInt8Array:
    return np.asarray(cv2.resize(picture, (32, 18), interpolation=cv2.INTER_AREA), np.uint8)


def lit(picture: UInt8Array, gain: float = 1.0, offset: float = 0.0) -> UInt8Array:
    return np.asarray(np.clip(picture * gain + offset, 0, 255), np.uint8)


HERE, THERE, ELSEWHERE = (scene(seed) for seed in (1, 2, 3))
WHITE = np.full_like(HERE, 250)


def cuts(pictures: Sequence[UInt8Array | None], rate: float = 25.0) -> list[int]:
    """The numbers of the pictures with which a scene begins, and minus those of a flash; None is a damaged picture."""
    timed = [(number / rate, (number, picture)) for number, picture in enumerate(pictures)]
    found = list(with_changes(timed, lambda numbered: None if numbered[1] is None else small(numbered[1])))
    assert [number for _, (number, _), _ in found] == list(range(len(pictures)))  # every picture, in order
    return [number if change == "cut" else -number for _, (number, _), change in found if change]


@pytest.mark.parametrize("change", [lit(HERE, 1, 60), lit(HERE, 0.4), lit(HERE, 1.4, -30), np.roll(HERE, (20, -30), (0, 1))])
def test_exposure_and_a_small_move_of_the_camera_change_no_scene(change: UInt8Array) -> None:
    assert difference(small(HERE), small(change)) < CHANGED


@pytest.mark.parametrize("other", [THERE, WHITE, np.zeros_like(HERE)])
def test_other_places_and_flat_pictures_are_other_scenes(other: UInt8Array) -> None:
    assert min(difference(small(HERE), small(other)), difference(small(other), small(HERE))) > 2 * CHANGED
    assert difference(small(other), small(other)) == 0


@pytest.mark.parametrize("length", [1, 2, 3, 4])
@pytest.mark.parametrize("bright", [WHITE, lit(HERE, 3, 90)])
def test_a_flash_is_no_cut(length: int, bright: UInt8Array) -> None:
    assert cuts([HERE] * 10 + [bright] * length + [HERE] * 10) == [-10 - k for k in range(length)]
    strobe = ([HERE] + [WHITE] * length) * 8 + [HERE]
    assert cuts(strobe) == [-number for number, picture in enumerate(strobe) if picture is WHITE]


def test_a_change_that_lasts_is_a_cut_where_it_begins() -> None:
    assert cuts([HERE] * 10 + [THERE] * 10) == [10]
    assert cuts([HERE] * 10 + [WHITE] * 2 + [THERE] * 10) == [10, 12]  # cut in a flash
    assert cuts([HERE] * 10 + [THERE] * 2 + [ELSEWHERE] * 10) == [10, 12]
    assert cuts([HERE] * 10 + [THERE] * 3) == [10]  # nobody knows whether it would have lasted


def test_at_few_pictures_a_second_one_picture_is_a_scene() -> None:
    assert cuts([HERE] * 4 + [THERE] + [HERE] * 4, rate=1 / FLASH - 1) == [4, 5]


def test_few_pictures_wait(monkeypatch) -> None:
    """Decoded pictures are large: no more may be held than are needed."""
    given, taken = 0, []

    def pictures():
        nonlocal given
        for number in range(60):
            given += 1
            yield number / 240, HERE if number < 20 else THERE

    for _ in with_changes(pictures(), small):
        taken.append(given)
    assert max(ahead - place for place, ahead in enumerate(taken)) == MAX_HELD and taken[:20] == list(range(1, 21))


def test_a_damaged_picture_neither_ends_a_scene_nor_shows_that_one_came_back() -> None:
    assert cuts([HERE] * 5 + [None] + [HERE] * 5) == []
    assert cuts([HERE] * 5 + [THERE, None] + [THERE] * 8) == [5]
    assert cuts([None, HERE, HERE, None]) == []


def test_a_picture_in_which_much_moves_all_the_time_has_no_cuts_but_where_it_stands_out() -> None:
    rng = np.random.default_rng(0)
    crowd = [lit(0.62 * HERE + 0.38 * scene(int(seed))) for seed in rng.integers(10, 10_000, 40)]
    changes = [difference(small(a), small(b)) for a, b in itertools.pairwise(crowd)]
    assert max(changes) > CHANGED  # what would be cuts in a calm scene
    assert [number for number in cuts(crowd) if abs(number) > 12] == []
    assert [number for number in cuts(crowd + [THERE] * 10) if abs(number) > 12] == [40]


def test_light_that_goes_on_for_a_moment_is_a_flash_and_for_good_is_not() -> None:
    brighter = lit(HERE, 1, 50)
    assert cuts([HERE] * 10 + [brighter] * 2 + [HERE] * 10) == [-10, -11]
    assert cuts([HERE] * 10 + [brighter] * 30)[:1] == [-10] and -16 not in cuts([HERE] * 10 + [brighter] * 30)
