"""The readers beside FaceForensics++, what all readers share, and frames of whatever a clip is."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tamperlens.data.readers import READERS, Layout, LeftOut
from tamperlens.data.readers.frames import content_hash, read_frames
from tamperlens.data.readers.methods import METHODS
from tamperlens.errors import DataError, MediaError
from tamperlens.media import write_png
from trees import clip_frames, encode, write_frames


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def write_splits(folder, **groups):
    folder.mkdir()
    for name in ("train", "val", "test"):
        (folder / f"{name}.json").write_text(json.dumps(groups.get(name, [])))
    return folder


EXAMPLES = {
    "faceforensics": ("original/000.mp4", "Deepfakes/000_003.mp4"),
    "celebdf": ("Celeb-real/id0_0000.mp4", "Celeb-synthesis/id0_id1_0000.mp4", "YouTube-real/00000.mp4"),
    "pairs": ("original/a.png", "manipulated/a.png"),
    "photos": ("a.png", "deep/er/a.png"),
    "unpaired": ("real/a.png", "real/show/b.mp4", "fake/a.png"),
}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_keeps_the_contract(tmp_path, name):
    touch(tmp_path, *EXAMPLES[name])
    clips = READERS[name].read(tmp_path)
    assert [clip.id for clip in clips] == sorted({clip.id for clip in clips})
    assert len(clips) == len(EXAMPLES[name])
    for clip in clips:
        assert clip.path.is_file() and clip.method in METHODS and clip.persons and clip.target == clip.persons[0]
        assert clip.original is None or (clip.manipulated and clip.original.exists())
        assert hash(clip) is not None  # frozen values, fit for sets and for sending to workers
    assert {clip.method for clip in READERS[name].read(tmp_path, methods=["P"])} == {"P"}
    left_out: list[object] = []
    READERS[name].read(tmp_path, left_out=left_out)
    assert left_out == []


@pytest.mark.parametrize("name", READERS)
def test_every_reader_says_what_an_empty_folder_lacks(tmp_path, name):
    with pytest.raises(DataError, match="expected"):
        READERS[name].read(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        READERS[name].read(tmp_path / "nothing")
    with pytest.raises(DataError, match="unknown method"):
        READERS[name].read(touch(tmp_path, *EXAMPLES[name]), methods=["XX"])


def test_reading_a_dataset_imports_no_torch():
    code = (
        "import sys, tamperlens.data.readers, tamperlens.data.prepare.masks; print('torch' in sys.modules, 'av' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_celebdf_partners_and_persons(tmp_path):
    touch(tmp_path, *EXAMPLES["celebdf"], "Celeb-synthesis/id7_id1_0003.mp4")
    clips = {clip.id: clip for clip in READERS["celebdf"].read(tmp_path)}
    swapped = clips["CDF/Celeb-synthesis/id0_id1_0000"]
    assert (swapped.target, swapped.source) == ("id0", "id1")
    assert swapped.original == tmp_path / "Celeb-real/id0_0000.mp4"
    assert clips["CDF/Celeb-synthesis/id7_id1_0003"].original is None
    assert clips["P/YouTube-real/00000"].persons == ("youtube00000",)
    assert {clip.split for clip in clips.values()} == {None}


def test_celebdf_keeps_people_of_the_test_videos_out_of_train(tmp_path):
    touch(tmp_path, *EXAMPLES["celebdf"], "Celeb-real/id1_0000.mp4", "Celeb-real/id2_0000.mp4")
    (tmp_path / "List_of_testing_videos.txt").write_text("0 Celeb-synthesis/id0_id1_0000.mp4\n1 YouTube-real/00000.mp4\n")
    clips = {clip.id: clip.split for clip in READERS["celebdf"].read(tmp_path)}
    assert clips == {
        "CDF/Celeb-synthesis/id0_id1_0000": "test",
        "P/YouTube-real/00000": "test",
        "P/Celeb-real/id0_0000": None,  # seen in a test video
        "P/Celeb-real/id1_0000": None,
        "P/Celeb-real/id2_0000": "train",
    }
    # Which people are tested does not depend on which methods are asked for.
    only_real = READERS["celebdf"].read(tmp_path, methods=["P"])
    assert {clip.id: clip.split for clip in only_real} == {key: clips[key] for key in clips if key.startswith("P")}


def test_celebdf_refuses_what_it_has_not(tmp_path):
    touch(tmp_path, *EXAMPLES["celebdf"])
    with pytest.raises(DataError, match="one compression"):
        READERS["celebdf"].read(tmp_path, compression="c23")
    (tmp_path / "List_of_testing_videos.txt").write_text("Celeb-real/id0_0000.mp4\n")
    with pytest.raises(DataError, match="should read like"):
        READERS["celebdf"].read(tmp_path)
    (tmp_path / "List_of_testing_videos.txt").unlink()
    touch(tmp_path, "Celeb-real/zero.mp4")
    with pytest.raises(DataError, match="would be left out: its name does not say which clip"):
        READERS["celebdf"].read(tmp_path)


def test_pairs_match_by_name_whatever_the_suffix(tmp_path):
    touch(tmp_path, "original/a.jpg", "manipulated/a.png", "masks/a.png", "manipulated/b.mp4", "original/c/0000.png")
    clips = {clip.id: clip for clip in READERS["pairs"].read(tmp_path)}
    assert set(clips) == {"EDIT/a", "EDIT/b", "P/a", "P/c"}
    assert clips["EDIT/a"].original == tmp_path / "original/a.jpg"
    assert clips["EDIT/a"].released_mask == tmp_path / "masks/a.png"
    assert clips["EDIT/b"].original is None
    assert [clips[key].layout for key in ("EDIT/a", "EDIT/b", "P/c")] == [Layout.PHOTO, Layout.VIDEO, Layout.FRAMES]


def test_splits_of_pairs_and_photos_are_always_custom(tmp_path):
    root = touch(tmp_path / "data", *EXAMPLES["photos"])
    folder = write_splits(tmp_path / "splits", train=[["a"]], test=[["deep/er/a"]])
    with pytest.raises(DataError, match=r"no official split.*--allow-custom-split"):
        READERS["photos"].read(root, splits=folder)
    clips = READERS["photos"].read(root, splits=folder, allow_custom_split=True)
    assert {clip.target: clip.split for clip in clips} == {"a": "train", "deep/er/a": "test"}
    assert all(clip.split_set and clip.split_set.startswith("custom-") for clip in clips)


def test_frames_come_from_videos_folders_and_photos_alike(tmp_path):
    frames = clip_frames("7", 12)
    encode(tmp_path / "a.mp4", frames, "raw")
    write_frames(tmp_path / "from0", frames)
    write_frames(tmp_path / "from1", frames, first=1)
    write_png(tmp_path / "a.png", frames[0])
    for name in ("a.mp4", "from0", "from1"):
        read = list(read_frames(tmp_path / name, every=5))
        assert [frame.index for frame in read] == [0, 5, 10]
        assert all(np.array_equal(frame.image, frames[frame.index]) for frame in read)
    assert np.array_equal(next(read_frames(tmp_path / "a.png")).image, frames[0])


def test_content_hash_sees_every_picture_of_a_folder(tmp_path):
    frames = clip_frames("7", 3)
    write_frames(tmp_path / "a", frames)
    write_frames(tmp_path / "b", frames)
    write_frames(tmp_path / "c", [*frames[:2], frames[0]])
    assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b") != content_hash(tmp_path / "c")


# ------------------------------------------------------------------------------------------------- what is not a clip


@pytest.mark.parametrize(
    ("name", "folder"),
    [("faceforensics", "Deepfakes"), ("celebdf", "Celeb-synthesis"), ("pairs", "manipulated"), ("unpaired", "fake")],
)
@pytest.mark.parametrize(
    ("stray", "code"),
    [
        ("0.mp4.part", "partial-download"),
        ("0.mp4.crdownload", "partial-download"),
        ("0.mp4.aria2", "partial-download"),
        (".0.mp4.Xy12ab", "partial-download"),
        ("0.mpg", "misnamed"),
        ("Thumbs.db", None),
        ("._0.mp4", None),
        ("readme.txt", None),
    ],
)
def test_what_may_be_a_clip_and_is_not_read_is_told(tmp_path, name, folder, stray, code):
    touch(tmp_path, *EXAMPLES[name], f"{folder}/{stray}")
    left_out: list[LeftOut] = []
    assert len(READERS[name].read(tmp_path, left_out=left_out)) == len(EXAMPLES[name])
    assert [(one.code, one.path.name) for one in left_out] == ([(code, stray)] if code else [])
    if code:
        with pytest.raises(DataError, match=f"{stray} would be left out"):
            READERS[name].read(tmp_path)


@pytest.mark.parametrize(("name", "folder"), [("faceforensics", "Deepfakes"), ("celebdf", "Celeb-real"), ("pairs", "original")])
def test_a_folder_without_pictures_is_no_clip_and_told(tmp_path, name, folder):
    touch(tmp_path, *EXAMPLES[name], f"{folder}/000_009/deeper/0000.png")
    left_out: list[LeftOut] = []
    READERS[name].read(tmp_path, left_out=left_out)
    assert [(one.code, one.path.name) for one in left_out] == [("unread-folder", "000_009")]


@pytest.mark.parametrize("name", ["celebdf", "pairs", "unpaired"])
def test_media_in_folders_that_no_reader_knows_are_told(tmp_path, name):
    touch(tmp_path, *EXAMPLES[name], "others/more/a.mp4", "notes/list.txt", "loose.mp4")
    left_out: list[LeftOut] = []
    READERS[name].read(tmp_path, left_out=left_out)
    assert sorted((one.code, one.path.name) for one in left_out) == [
        ("unread-folder", "loose.mp4"),
        ("unread-folder", "others"),
    ]


def test_a_folder_that_holds_no_clips_names_what_it_holds(tmp_path):
    with pytest.raises(DataError, match=r"holds no clips of .*Not read: face2face"):
        READERS["faceforensics"].read(touch(tmp_path, "face2face/000_003.mp4"))


def test_unpaired_data_have_a_label_and_a_folder_for_each_split(tmp_path):
    touch(tmp_path, "train/real/a.mp4", "train/fake/show/b/0000.png", "train/fake/show/b/0001.png", "test/fake/c.png")
    clips = {clip.id: clip for clip in READERS["unpaired"].read(tmp_path)}
    assert list(clips) == ["FAKE/test/c", "FAKE/train/show/b", "P/train/a"]
    assert {clip.split for clip in clips.values()} == {"train", "test"} and {clip.split_set for clip in clips.values()} == {
        "folders"
    }
    assert all(clip.original is None for clip in clips.values()) and clips["FAKE/train/show/b"].layout is Layout.FRAMES
    assert not READERS["unpaired"].paired and all(READERS[name].paired for name in READERS if name != "unpaired")
    with pytest.raises(DataError, match="has a folder for each split"):
        READERS["unpaired"].read(tmp_path, splits=write_splits(tmp_path / "splits", train=[["a"]]), allow_custom_split=True)


# --------------------------------------------------------------------------------------------------- numbers and frames


def test_indices_of_two_folders_are_counted_from_the_same_number(tmp_path):
    frames = clip_frames("7", 6)
    write_frames(tmp_path / "later", frames[2:], first=2)
    read = list(read_frames(tmp_path / "later", first=0))
    assert [frame.index for frame in read] == [2, 3, 4, 5]
    assert all(np.array_equal(frame.image, frames[frame.index]) for frame in read)
    assert [frame.index for frame in read_frames(tmp_path / "later", first=3)] == [0, 1, 2]  # what lies before is left out


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_picture_is_no_frame(tmp_path, suffix):
    write_frames(tmp_path / "a", clip_frames("7", 3), suffix=suffix)
    path = tmp_path / "a" / f"0001{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=rf"0001{suffix}: .*truncated.*extract it again"):
        list(read_frames(tmp_path / "a"))
