"""Which frame a picture is: told by its name, or refused with the names."""

import pytest

from tamperlens.data.readers.frame_numbers import frame_files
from tamperlens.errors import DataError


def folder_of(tmp_path, *names, called="clip"):
    folder = tmp_path / called
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"not looked into")
    return folder


@pytest.mark.parametrize(
    ("called", "names", "numbers"),
    [
        ("clip", ["0000.png", "0001.png", "0010.png"], [0, 1, 10]),
        ("clip", ["frame1.jpg", "frame2.jpg", "frame10.jpg"], [1, 2, 10]),  # by number, not as text is sorted
        ("clip", ["0000_0.png", "0001_0.png", "0002_0.png"], [0, 1, 2]),  # frame, face
        ("clip", ["0000_0.png", "0001_1.png", "0003_0.png"], [0, 1, 3]),  # the face has changed its number
        ("clip", ["frame12_face1.png", "frame13_face2.png"], [12, 13]),
        ("clip", ["face1_frame12.png", "face2_frame13.png"], [12, 13]),
        ("clip", ["face0_0012.png", "face1_0013.png"], [12, 13]),
        ("000_003", ["000_003_0012.png", "000_003_0013.png"], [12, 13]),
        ("000_003", ["000_003_0012.png"], [12]),
        ("clip", ["frame7_face0.png"], [7]),
        ("clip", ["00_00.png", "01_01.png"], [0, 1]),  # both numbers say the same
        ("clip", ["0000.png", "0001.png", "._0001.png", ".DS_Store", "Thumbs.db", "boxes.json"], [0, 1]),
        ("clip", [], []),
    ],
)
def test_the_number_of_the_frame_is_told_apart_from_others(tmp_path, called, names, numbers):
    found = frame_files(folder_of(tmp_path, *names, called=called))
    assert list(found) == numbers
    assert all(str(number) in path.stem for number, path in found.items())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["0000_0.png", "0000_1.png", "0001_0.png", "0002_0.png"],
            r"0000_0.png and 0000_1.png are both of frame 0",
        ),  # two faces
        (["frame12_face1.png", "frame12_face2.png"], r"frame12_face1.png and frame12_face2.png are both of frame 12"),
        (["0012_0.png", "0012_1.png"], r"it cannot be told which number in names such as 0012_0.png"),  # faces, or frames?
        (["0000_0.png"], "it cannot be told which number"),
        (["12_480.png", "13_520.png"], "it cannot be told which number"),  # frame and milliseconds
        (["0000.png", "0000.jpg"], "are both of frame 0"),
        (["1.png", "01.png"], "are both of frame 1"),
        (["0000.png", "cover.png"], r"the name cover.png carries no number"),
        (["frame0.png", "frame0 (1).png", "frame1.png"], r"frame0 \(1\).png and frame0.png are named in different ways"),
        (["0000_left.png", "0000_right.png"], "are named in different ways"),
        (["0000.png", "0001.png.part"], r"0001.png.part: a download that did not end"),
        (["0000.png", ".0001.png.Xy12ab"], "a download that did not end"),  # rsync's
    ],
)
def test_names_that_do_not_say_it_are_refused_by_name(tmp_path, names, message):
    with pytest.raises(DataError, match=message):
        frame_files(folder_of(tmp_path, *names))
