"""The real tree's layouts, its official splits, and what is refused."""

import json
import random
import shutil

import pytest

from tamperlens.data.readers import READERS, Layout, LeftOut, faceforensics
from tamperlens.data.readers.methods import METHODS
from tamperlens.data.readers.splits import Splits, find_splits, read_splits
from tamperlens.errors import DataError

read = faceforensics.read


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not looked into")


def original(name, level="c23", folder="youtube"):
    return f"original_sequences/{folder}/{level}/videos/{name}.mp4"


def fake(name, level="c23", method="Deepfakes"):
    return f"manipulated_sequences/{method}/{level}/videos/{name}.mp4"


def mask(name, method="Deepfakes"):
    return f"manipulated_sequences/{method}/masks/videos/{name}.mp4"


def splits(folder, train=(), val=(), test=()):
    folder.mkdir(parents=True, exist_ok=True)
    for name, pairs in {"train": train, "val": val, "test": test}.items():
        (folder / f"{name}.json").write_text(json.dumps([list(pair) for pair in pairs]))
    return folder


def test_reads_the_download_scripts_tree(tmp_path):
    touch(tmp_path, original("000"), original("003"), fake("000_003"), mask("000_003"), fake("003_000", "c40"))
    clips = {clip.id: clip for clip in read(tmp_path)}
    assert list(clips) == ["DF/c23/000_003", "DF/c40/003_000", "P/c23/000", "P/c23/003"]
    clip = clips["DF/c23/000_003"]
    assert (clip.target, clip.source, clip.persons, clip.method) == ("000", "003", ("000", "003"), "DF")
    assert clip.original == tmp_path / original("000")
    assert clip.released_mask == tmp_path / mask("000_003")
    assert (clip.split, clip.split_set, clip.layout) == (None, None, Layout.VIDEO)
    # The partner must be of the same compression: 003 is there, but only at c23.
    assert clips["DF/c40/003_000"].original is None
    assert not clips["P/c23/000"].manipulated and clips["P/c23/000"].original is None


def test_clips_of_one_name_stay_apart_by_method(tmp_path):
    for method in ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter"):
        touch(tmp_path, fake("000_003", method=method))
    assert [clip.id for clip in read(tmp_path)] == [f"{code}/c23/000_003" for code in ("DF", "F2F", "FS", "FSH", "NT")]


def test_every_method_of_the_table_with_a_folder_is_read(tmp_path):
    rows = [method for method in METHODS.values() if method.folder]
    for method in rows:
        name = "01_02__walking__ABCDEFGH" if method.originals == "actors" else "000_003"
        touch(tmp_path, fake(name, method=method.folder))
    assert sorted(clip.method for clip in read(tmp_path)) == sorted(method.code for method in rows)


def test_stand_ins_cannot_be_taken_for_the_real_ones():
    real = {method.folder for method in METHODS.values() if method.in_paper}
    stand_ins = [method for method in METHODS.values() if method.code.startswith("s")]
    assert len(stand_ins) == 4
    assert all(row.folder.startswith("standin_") and row.folder not in real and not row.in_paper for row in stand_ins)


@pytest.mark.parametrize("level", ["raw", "c0"])
def test_lossless_has_two_names(tmp_path, level):
    touch(tmp_path, original("000", level), fake("000_003", level))
    clip = read(tmp_path, compression="raw", methods=["DF"])[0]
    assert clip.compression == "raw" and clip.original == tmp_path / original("000", level)
    with pytest.raises(DataError, match="c0 is raw here"):
        read(tmp_path, compression="c0")


@pytest.mark.parametrize("kind", ["images", "frames"])
def test_reads_folders_of_frames(tmp_path, kind):
    base = "manipulated_sequences/Deepfakes"
    touch(
        tmp_path,
        f"original_sequences/youtube/c23/{kind}/000/0000.png",
        f"{base}/c23/{kind}/000_003/0000.png",
        f"{base}/c23/landmarks/000_003/0000.npy",
        f"{base}/c23/masks/000_003/0000.png",
    )
    clip = read(tmp_path, methods=["DF"])[0]
    assert clip.layout is Layout.FRAMES
    assert clip.original == tmp_path / f"original_sequences/youtube/c23/{kind}/000"
    assert clip.released_mask == tmp_path / f"{base}/c23/masks/000_003"


def test_a_clip_kept_as_video_and_as_frames_counts_once(tmp_path):
    touch(tmp_path, original("000"), "original_sequences/youtube/c23/images/000/0000.png")
    assert [clip.layout for clip in read(tmp_path)] == [Layout.VIDEO]


@pytest.mark.parametrize("folder", ["masks/images/000_003", "masks/000_003", "raw/masks/000_003", "c23/masks/000_003"])
def test_finds_masks_where_releases_and_tools_put_them(tmp_path, folder):
    touch(tmp_path, fake("000_003"), f"manipulated_sequences/Deepfakes/{folder}/0000.png")
    assert read(tmp_path)[0].released_mask == tmp_path / "manipulated_sequences/Deepfakes" / folder


def test_reads_the_flat_copy(tmp_path):
    touch(tmp_path, "original/000.mp4", "Deepfakes/000_003.mp4", "FaceSwap/000_003.mp4", "csv/Deepfakes.csv")
    touch(tmp_path, "DeepFakeDetection/01_02__walking__ABCDEFGH.mp4")
    clips = {clip.id: clip for clip in read(tmp_path)}
    assert set(clips) == {"P/c23/000", "DF/c23/000_003", "FS/c23/000_003", "DFD/c23/01_02__walking__ABCDEFGH"}
    assert clips["FS/c23/000_003"].original == tmp_path / "original/000.mp4"
    assert clips["DFD/c23/01_02__walking__ABCDEFGH"].original is None
    with pytest.raises(DataError, match=r"no clips of .* at raw"):
        read(tmp_path, compression="raw")


def test_partners_of_deepfakedetection_are_the_actors(tmp_path):
    name = "01_02__outside_talking_still_laughing__YVGY8LOK"
    actor = original("01__outside_talking_still_laughing", folder="actors")
    touch(tmp_path, fake(name, method="DeepFakeDetection"), actor, original("001"))
    clips = {clip.method: clip for clip in read(tmp_path, methods=["DFD"])}
    assert clips["DFD"].original == tmp_path / actor
    assert clips["DFD"].persons == ("actor01", "actor02")  # never the 01 of other people


def test_filters_and_says_what_it_misses(tmp_path):
    touch(tmp_path, original("000"), fake("000_003"))
    assert {clip.method for clip in read(tmp_path, methods=("DF",))} == {"DF"}
    with pytest.raises(DataError, match=r"no clips of NT.*expected\n?.*original_sequences"):
        read(tmp_path, methods=["NT"])
    with pytest.raises(DataError, match="unknown method 'XX'; known are P, DF"):
        read(tmp_path, methods=["XX"])
    with pytest.raises(DataError, match="not a folder"):
        read(tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["000_003 (1)", "000", "copy", "00_003"])
def test_misnamed_files_are_never_skipped(tmp_path, name):
    touch(tmp_path, fake("000_003"), fake(name), fake(".hidden"), "manipulated_sequences/Deepfakes/c23/videos/notes.txt")
    with pytest.raises(DataError, match="would be left out: its name does not say"):
        read(tmp_path)
    left_out: list[LeftOut] = []
    assert len(read(tmp_path, left_out=left_out)) == 1
    assert [(one.code, one.path) for one in left_out] == [("misnamed", tmp_path / fake(name))]


def test_two_files_of_one_name_are_refused(tmp_path):
    touch(tmp_path, fake("000_003"), fake("000_003").replace(".mp4", ".avi"))
    with pytest.raises(DataError, match="share the name '000_003'"):
        read(tmp_path)


# ------------------------------------------------------------------------------------------------------------- splits

LOOKS_OFFICIAL = [(f"{i:03d}", f"{i + 1:03d}") for i in range(0, 1000, 2)]  # 500 pairs, every person once


def test_the_official_splits_are_known_by_their_content(tmp_path, monkeypatch):
    folder = splits(tmp_path / "splits", LOOKS_OFFICIAL[:360], LOOKS_OFFICIAL[360:430], LOOKS_OFFICIAL[430:])
    # Right numbers of pairs, wrong pairs.
    with pytest.raises(DataError, match=r"not FaceForensics\+\+'s official split .*360/70/70, custom-"):
        faceforensics.read_official_splits(folder)
    monkeypatch.setattr(faceforensics, "OFFICIAL_HASH", read_splits(folder).hash)
    found = faceforensics.read_official_splits(folder)
    assert found.official and found.name == "official"
    # Order does not matter, neither of pairs nor within them.
    shuffled = [tuple(reversed(pair)) for pair in LOOKS_OFFICIAL[:360]]
    random.Random(0).shuffle(shuffled)
    splits(folder, shuffled, LOOKS_OFFICIAL[360:430], LOOKS_OFFICIAL[430:])
    assert faceforensics.read_official_splits(folder).official
    # One pair moved from val to test does.
    splits(folder, LOOKS_OFFICIAL[:360], LOOKS_OFFICIAL[361:430], [LOOKS_OFFICIAL[360], *LOOKS_OFFICIAL[430:]])
    with pytest.raises(DataError, match="360/69/71"):
        faceforensics.read_official_splits(folder)


def test_custom_splits_are_marked_by_their_content(tmp_path):
    touch(tmp_path, original("000"), original("003"), original("500"), fake("000_003"), fake("000_500"))
    folder = splits(tmp_path / "splits", [("000", "003")], [("001", "002")], [("004", "005")])
    with pytest.raises(DataError, match="--allow-custom-split"):
        read(tmp_path, splits=folder)
    clips = {clip.id: clip for clip in read(tmp_path, splits=folder, allow_custom_split=True)}
    name = clips["P/c23/000"].split_set
    assert name is not None and name.startswith("custom-")
    assert clips["DF/c23/000_003"].split == clips["P/c23/003"].split == "train"
    assert clips["P/c23/500"].split is None  # nobody said where they belong
    assert clips["DF/c23/000_500"].split is None
    splits(folder, [("000", "003")], [("001", "002")], [("004", "006")])
    assert read(tmp_path, splits=folder, allow_custom_split=True)[0].split_set != name


def test_leaking_splits_are_refused_even_as_custom_ones(tmp_path):
    touch(tmp_path, original("000"), fake("000_003"))
    folder = splits(tmp_path / "splits", [("000", "003")], [("001", "002")], [("003", "005")])
    with pytest.raises(DataError, match="003 is in train and test"):
        read(tmp_path, splits=folder, allow_custom_split=True)
    # No person in two files, but a clip that carries one person's face into another split.
    splits(folder, [("000", "009")], [("001", "002")], [("003", "005")])
    with pytest.raises(DataError, match=r"000_003.mp4 mixes people .*000 in train, 003 in test"):
        read(tmp_path, splits=folder, allow_custom_split=True)


def test_broken_split_files_are_named(tmp_path):
    touch(tmp_path, original("000"))
    folder = splits(tmp_path / "splits", [("000", "003")])
    (folder / "val.json").write_text("{")
    with pytest.raises(DataError, match=r"val.json cannot be read as JSON"):
        read(tmp_path, splits=folder)
    (folder / "val.json").write_text('[["000", 3]]')
    with pytest.raises(DataError, match="list of lists of names"):
        read(tmp_path, splits=folder)
    (folder / "val.json").write_text('[["004"]]')
    with pytest.raises(DataError, match="is no pair"):
        read(tmp_path, splits=folder)
    (folder / "val.json").unlink()
    with pytest.raises(DataError, match=r"val.json is missing"):
        read(tmp_path, splits=folder)


def test_finds_the_split_files_that_came_with_a_tree(tmp_path):
    assert find_splits(tmp_path) is None
    folder = splits(tmp_path / "splits")
    assert find_splits(tmp_path) == folder
    for file in folder.iterdir():
        shutil.copy(file, tmp_path)
    assert find_splits(tmp_path) == tmp_path


def test_people_of_one_group_never_meet_those_of_another():
    two = Splits({"train": (("a", "b"),), "val": (("c",),), "test": ()})
    assert two.shared == {} and two.split_of(["c"]) == "val" and two.split_of(["a", "z"]) is None
    assert READERS["faceforensics"].read is read


# ------------------------------------------------------------------------------------------------- folders by other names


@pytest.mark.parametrize(
    ("folder", "meant"),
    [
        ("face2face", "Face2Face"),
        ("NeuralTexture", "NeuralTextures"),
        ("FaceSwap_c23", "FaceSwap"),
        ("Deep-fakes", "Deepfakes"),
        ("Own", None),
    ],
)
@pytest.mark.parametrize("flat", [False, True])
def test_folders_of_methods_that_are_not_known_are_told(tmp_path, folder, meant, flat):
    if flat:
        touch(tmp_path, "original/000.mp4", f"{folder}/000_003.mp4", "csv/list.csv")
    else:
        touch(tmp_path, original("000"), fake("000_003", method=folder), "landmarks/000/0000.npy")
    left_out: list[LeftOut] = []
    assert [clip.id for clip in read(tmp_path, left_out=left_out)] == ["P/c23/000"]
    assert [(one.code, one.path.name) for one in left_out] == [("unread-folder", folder)]
    assert (f"rename it to {meant}" in left_out[0].fix) == (meant is not None)
    with pytest.raises(DataError, match=f"{folder} would be left out"):
        read(tmp_path)
    assert read(tmp_path, methods=["P"])  # whoever names the methods wants no others


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("original_sequences/Youtube2/c23/videos/001.mp4", "Youtube2"),
        ("manipulated_sequences/Deepfakes/C23/videos/000_003.mp4", "C23"),
        ("manipulated_sequences/Deepfakes/c23/video/000_003.mp4", "video"),
        ("manipulated_sequences/Deepfakes/c23/000_003.mp4", "000_003.mp4"),
        ("Deepfakes/000_003.mp4", "Deepfakes"),
    ],
)
def test_media_at_other_places_of_the_tree_are_told(tmp_path, name, told):
    touch(tmp_path, original("000"), name)
    left_out: list[LeftOut] = []
    read(tmp_path, left_out=left_out)
    assert [(one.code, one.path.name) for one in left_out] == [("unread-folder", told)]


def test_every_known_folder_may_hold_media(tmp_path):
    base = "manipulated_sequences/Deepfakes"
    touch(
        tmp_path,
        original("000"),
        original("000", "c40"),
        fake("000_003"),
        mask("000_003"),
        f"{base}/c40/images/000_003/0000.png",
    )
    touch(tmp_path, f"{base}/masks/images/003_000/0000.png", f"{base}/raw/masks/videos/000_003.mp4")
    assert len(read(tmp_path)) == 4 and len(read(tmp_path, compression="c23")) == 2


def test_a_frame_folder_may_bear_the_name_of_its_video(tmp_path):
    touch(tmp_path, "original/000.mp4/0000.png", "Deepfakes/000_003.mp4/0000.png")
    clips = {clip.id: clip for clip in read(tmp_path)}
    assert set(clips) == {"P/c23/000", "DF/c23/000_003"}
    assert clips["DF/c23/000_003"].original == tmp_path / "original/000.mp4" and clips["P/c23/000"].layout is Layout.FRAMES


def test_downloads_of_masks_that_did_not_end_are_told_once(tmp_path):
    touch(tmp_path, original("000"), fake("000_003"), fake("000_003", "c40"), mask("000_003") + ".part")
    left_out: list[LeftOut] = []
    read(tmp_path, left_out=left_out)
    assert [(one.code, one.path.name) for one in left_out] == [("partial-download", "000_003.mp4.part")]
