"""Ground truth is never taken on trust: what would make wrong masks is an error of the doctor, and prepare refuses it."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tamperlens import cli
from tamperlens.data.doctor import Severity, examine, exit_code
from tamperlens.data.prepare.findings import ACCEPTABLE
from tamperlens.data.prepare.run import prepare
from tamperlens.data.store import Store
from tamperlens.data.store.manifest import INFO, MANIFEST, PrepareSettings
from tamperlens.errors import DataError
from tamperlens.media import write_png
from trees import (
    CENTER,
    HEIGHT,
    WIDTH,
    FakeDetector,
    changed_area,
    clip_frames,
    encode,
    manipulated_frames,
    texture,
    write_frames,
    write_mask,
)

COUNT = 12
NAME = "000_003"


class Moving:
    """A clip as a fixed camera films it: the middle moves, the border stands still, so that no noise floor tells of moments."""

    def __init__(self, seed=0):
        self.middle = changed_area(radius=44)[..., None]
        self.still, self.seed = texture(100 + seed), seed

    def originals(self):
        return [np.where(self.middle, frame, self.still) for frame in clip_frames(str(self.seed), COUNT)]

    def manipulated(self):
        return [np.where(self.middle, frame, self.still) for frame in manipulated_frames(str(self.seed), "003", count=COUNT)]


def original_folder(root, level="raw"):
    return root / "original_sequences" / "youtube" / level / "frames" / "000"


def clip_folder(root, level="raw"):
    return root / "manipulated_sequences" / "Deepfakes" / level / "frames" / NAME


def frame_tree(root, *, level="raw"):
    """One original and one manipulated clip as frames that begin with 0."""
    scene = Moving()
    write_frames(original_folder(root, level), scene.originals())
    write_frames(clip_folder(root, level), scene.manipulated())
    return root


def settings(**changes):
    return PrepareSettings(every_train=1, every_eval=1).model_copy(update=changes)


def prepared(root, out, **changes):
    prepare(root, out, settings(**changes), FakeDetector(), allow_custom_split=True)
    return Store(out)


def masks_are_right(store):
    """Whether every mask is that of its own frame: nothing of the moving middle is in it."""
    for index in store.rows(method="DF"):
        row, crop = store.row(index), store.crop(index)
        if (crop.mask != changed_area()[row.top : row.top + row.side, row.left : row.left + row.side]).any():
            return False
    return True


def renumber(folder, shift, suffix=".png"):
    files = [path.rename(path.with_name(f"was{path.name}")) for path in sorted(folder.iterdir())]
    for path in files:
        path.rename(path.with_name(f"{int(path.stem[3:]) + shift:04d}{suffix}"))


def drop(folder, *numbers):
    for number in numbers:
        (folder / f"{number:04d}.png").unlink()


def errors(root, **options):
    findings = examine(root, detector=FakeDetector(), **options)
    assert (exit_code(findings) == 2) == any(finding.severity is Severity.ERROR for finding in findings)
    return {finding.code for finding in findings if finding.severity is Severity.ERROR}


def both_refuse(root, tmp_path, code, message, **changes):
    """The doctor's only error is this one, prepare gives the same reason, and takes the clip where it is accepted."""
    assert errors(root) == {code}
    with pytest.raises(DataError, match=message):
        prepared(root, tmp_path / "refused", **changes)
    if code in ACCEPTABLE:
        return prepared(root, tmp_path / "accepted", accept=(code,), **changes)
    return None


# ------------------------------------------------------------------------------------------------------------- numbers


def test_names_of_frame_and_face_are_read_and_every_frame_is_kept(tmp_path):
    root = frame_tree(tmp_path / "root")
    for folder in (original_folder(root), clip_folder(root)):
        for path in folder.iterdir():
            path.rename(path.with_name(f"{path.stem}_0.png"))
    assert errors(root) == set()
    store = prepared(root, tmp_path / "s")
    assert len(store) == 2 * COUNT and masks_are_right(store)


def test_right_trees_make_the_same_bytes_however_their_frames_are_named(tmp_path):
    names = {"from0": "{:04d}.png", "from1": "frame{:d}.png", "face": "{:05d}_0.png", "clip": "000_{:04d}.png"}
    contents = []
    for number, (kind, name) in enumerate(names.items()):
        root = frame_tree(tmp_path / kind)
        for folder in (original_folder(root), clip_folder(root)):
            for index, path in enumerate(sorted(folder.iterdir())):
                path.rename(path.with_name(name.format(index + number)))
        prepared(root, tmp_path / f"{kind}.store")
        files = sorted(path for path in (tmp_path / f"{kind}.store").rglob("*") if path.is_file())
        contents.append([path.read_bytes() for path in files])
    assert all(content == contents[0] for content in contents)


def test_only_a_store_that_may_have_accepted_something_has_a_column_for_it(tmp_path):
    root = frame_tree(tmp_path / "root")
    plain, asked = prepared(root, tmp_path / "s"), prepared(root, tmp_path / "t", accept=("codec",))
    assert "accepted" not in pq.read_schema(plain.path / MANIFEST).names
    assert "accept" not in json.loads((plain.path / INFO).read_text())["settings"]
    assert pq.read_schema(asked.path / MANIFEST).names == [*pq.read_schema(plain.path / MANIFEST).names, "accepted"]
    assert {store.row(index).accepted for store in (plain, asked) for index in range(len(store))} == {None}
    shards = [[path.read_bytes() for path in sorted((store.path / "shards").iterdir())] for store in (plain, asked)]
    assert shards[0] == shards[1]


def test_two_pictures_of_one_frame_are_refused_by_name(tmp_path):
    root = frame_tree(tmp_path / "root")
    for path in sorted(clip_folder(root).iterdir()):
        shutil.copy(path, path.with_name(f"{path.stem}_1.png"))
        path.rename(path.with_name(f"{path.stem}_0.png"))
    (clip_folder(root) / "0005_1.png").unlink()
    both_refuse(root, tmp_path, "unreadable", "0000_0.png and 0000_1.png are both of frame 0")


@pytest.mark.parametrize("gone", [(0, 1), (0,), (3, 4, 9), (11,)])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("of", ["manipulated", "original"])
def test_whichever_frames_are_missing_the_same_are_compared(tmp_path, gone, first, of):
    root = frame_tree(tmp_path / "root")
    drop(clip_folder(root) if of == "manipulated" else original_folder(root), *gone)
    for folder in (original_folder(root), clip_folder(root)):
        renumber(folder, first)
    assert errors(root) == set()
    store = prepared(root, tmp_path / "s")
    assert len(store.rows(method="DF")) == COUNT - len(gone) and masks_are_right(store)


@pytest.mark.parametrize("gone", [1, 2, 3])
@pytest.mark.parametrize("of", ["manipulated", "original"])
def test_frames_that_were_dropped_and_counted_anew_are_found_out(tmp_path, gone, of):
    root = frame_tree(tmp_path / "root")
    folder = clip_folder(root) if of == "manipulated" else original_folder(root)
    drop(folder, *range(gone))
    renumber(folder, -gone)
    way = "later" if of == "manipulated" else "earlier"
    store = both_refuse(
        root, tmp_path, "frames-apart", f"{gone} frames or more {way}.*--accept frames-apart", recipe="absdiff-smooth"
    )
    assert {store.row(index).accepted for index in store.rows(method="DF")} == {"frames-apart"}
    assert {store.row(index).accepted for index in store.rows(method="P")} == {None}


def test_two_frames_that_were_exchanged_are_refused(tmp_path):
    """Most frames agree, so the clip passed, and two of its masks were of the head's movement."""
    root = tmp_path / "root"
    write_frames(original_folder(root), clip_frames("000", COUNT))
    write_frames(clip_folder(root), manipulated_frames("000", "003", count=COUNT))
    assert errors(root) == set()
    one, other = (clip_folder(root) / f"{number:04d}.png" for number in (5, 6))
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)
    both_refuse(root, tmp_path, "frames-apart", "its frame 5 shows what another frame of its original shows")


def test_numbers_that_begin_elsewhere_are_refused(tmp_path):
    root = frame_tree(tmp_path / "root")
    renumber(clip_folder(root), 1)
    assert errors(root) == {"frame-numbers"}
    told = "numbered from 1 to 12 and those of its original from 0 to 11.*--accept frame-numbers"
    with pytest.raises(DataError, match=told):
        prepared(root, tmp_path / "s", recipe="absdiff-smooth")
    with pytest.raises(DataError, match=r"1 frames or more earlier.*--accept frames-apart"):  # and nobody hides that
        prepared(root, tmp_path / "t", recipe="absdiff-smooth", accept=("frame-numbers",))
    store = prepared(root, tmp_path / "u", recipe="absdiff-smooth", accept=("frame-numbers", "frames-apart"))
    assert {store.row(index).accepted for index in store.rows(method="DF")} == {"frame-numbers, frames-apart"}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("video", ["original", "manipulated"])
def test_a_folder_beside_a_video_counts_from_0_or_1(tmp_path, first, video):
    root, scene = tmp_path / "root", Moving()
    for folder, frames, kind in (
        (original_folder(root), scene.originals(), "original"),
        (clip_folder(root), scene.manipulated(), "manipulated"),
    ):
        if kind == video:
            encode(folder.parent.parent / "videos" / f"{folder.name}.mp4", frames, "raw")
        else:
            write_frames(folder, frames, first=first)
    assert errors(root) == set()
    assert masks_are_right(prepared(root, tmp_path / "s"))


def test_a_video_that_lost_its_first_frames_is_found_out(tmp_path):
    root, scene = tmp_path / "root", Moving()
    encode(original_folder(root).parent.parent / "videos" / "000.mp4", scene.originals(), "raw")
    encode(clip_folder(root).parent.parent / "videos" / f"{NAME}.mp4", scene.manipulated()[2:], "raw")
    both_refuse(root, tmp_path, "frames-apart", "2 frames or more later", recipe="absdiff-smooth")


def test_masks_are_met_by_number_too_and_none_may_be_missing(tmp_path):
    root = frame_tree(tmp_path / "root")
    areas = [changed_area((60 + 3 * index, 60)) for index in range(COUNT)]  # a mask that moves tells which frame it is of
    folder = root / "manipulated_sequences" / "Deepfakes" / "masks" / "images" / NAME
    write_frames(folder, [np.repeat(area[..., None], 3, axis=2) * np.uint8(255) for area in areas])
    drop(clip_folder(root), 0, 1, 2)
    store = prepared(root, tmp_path / "s", recipe="released")
    for index in store.rows(method="DF"):
        row = store.row(index)
        window = np.s_[row.top : row.top + row.side, row.left : row.left + row.side]
        assert row.frame >= 3 and (store.crop(index).mask == areas[row.frame][window]).all()
    drop(folder, 7)
    assert errors(root, recipe="released") == {"missing-mask"} and errors(root) == set()  # differences need none
    with pytest.raises(DataError, match="its mask has no frame 7"):
        prepared(root, tmp_path / "t", recipe="released")


# ------------------------------------------------------------------------------------------------------------ pictures


def test_another_scene_is_refused_by_every_recipe(tmp_path):
    root = frame_tree(tmp_path / "root")
    write_frames(original_folder(root), Moving(5).originals())
    write_mask(root / "manipulated_sequences" / "Deepfakes" / "masks" / "videos" / f"{NAME}.mp4", count=COUNT)
    for number, recipe in enumerate(("absdiff-exact", "absdiff-smooth", "released")):
        assert "background" in errors(root, recipe=recipe)
        with pytest.raises(DataError, match=r"two scenes.*--accept background"):
            prepared(root, tmp_path / str(number), recipe=recipe)


def test_bars_around_a_film_do_not_hide_another_scene(tmp_path):
    root = frame_tree(tmp_path / "root")
    for folder, frames in ((original_folder(root), Moving(5).originals()), (clip_folder(root), Moving().manipulated())):
        for frame in frames:
            frame[:14] = frame[-14:] = 0
        write_frames(folder, frames)
    assert "background" in errors(root)


def test_a_mask_of_another_clip_is_refused_where_masks_are_used(tmp_path):
    root = frame_tree(tmp_path / "root")
    write_mask(
        root / "manipulated_sequences" / "Deepfakes" / "masks" / "videos" / f"{NAME}.mp4", changed_area((25, 25), 15), COUNT
    )
    assert errors(root, recipe="released") == {"mask-elsewhere"}
    with pytest.raises(DataError, match=r"1 of 2 clips failed \(DF/raw/000_003: the released mask and .* share 0%"):
        prepared(root, tmp_path / "s", recipe="released")


@pytest.mark.parametrize(
    ("area", "code"), [(np.zeros((HEIGHT, WIDTH), bool), "mask-empty"), (~changed_area(), "mask-inverted")]
)
def test_masks_that_say_nothing_are_refused_where_masks_are_used(tmp_path, area, code):
    root = frame_tree(tmp_path / "root")
    write_mask(root / "manipulated_sequences" / "Deepfakes" / "masks" / "videos" / f"{NAME}.mp4", area, COUNT)
    both_refuse(root, tmp_path, code, "black in all|inverted", recipe="released")
    assert masks_are_right(prepared(root, tmp_path / "s"))  # differences do not look at it


@pytest.mark.parametrize("again", [False, True])
def test_a_manipulated_clip_that_is_its_original_is_refused(tmp_path, again):
    root = frame_tree(tmp_path / "root", level="c23")
    frames = Moving().originals()
    for index, frame in enumerate(frames):  # other bytes of the same picture, or a picture that was encoded again
        write_png(clip_folder(root, "c23") / f"{index:04d}.png", frame ^ np.uint8(again))
    assert errors(root, quick=False) == {"unchanged"}
    with pytest.raises(DataError, match=r"equal the original|are empty"):
        prepared(root, tmp_path / "s")


def test_encodes_of_another_level_are_refused(tmp_path):
    root = tmp_path / "root"
    encode(original_folder(root, "c23").parent.parent / "videos" / "000.mp4", clip_frames("000"), "c23", crf=26)
    encode(clip_folder(root, "c23").parent.parent / "videos" / f"{NAME}.mp4", manipulated_frames("000", "003"), "c23", crf=26)
    told = r"P/c23/000: it lies in a c23 folder.*DF/c23/000_003: it lies in a c23 folder, but its encoder wrote crf=26"
    store = both_refuse(root, tmp_path, "codec", told)
    assert {store.row(index).accepted for index in range(len(store))} == {"codec"}


def test_a_picture_that_is_cut_off_or_empty_is_refused(tmp_path):
    root = frame_tree(tmp_path / "root")
    path = clip_folder(root) / "0004.png"
    path.write_bytes(path.read_bytes()[:3000])
    both_refuse(root, tmp_path, "unreadable", r"0004.png: .*extract it again")
    path.write_bytes(b"")
    both_refuse(root, tmp_path, "unreadable", r"0004.png: the file is empty")


def test_copies_are_refused_but_a_photo_may_be_there_twice(tmp_path):
    root = frame_tree(tmp_path / "root")
    shutil.copytree(original_folder(root), original_folder(root).with_name("005"))
    assert errors(root) == {"duplicate"}
    with pytest.raises(DataError, match=r"005: its content is the same as that of .*000;.*--accept duplicate"):
        prepared(root, tmp_path / "s")
    for name in ("a", "b"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        write_png(tmp_path / "photos" / f"{name}.png", texture(1))
    findings = examine(tmp_path / "photos", reader="photos")
    assert [(finding.code, finding.severity) for finding in findings] == [("duplicate", Severity.WARNING)]
    assert len(prepared(tmp_path / "photos", tmp_path / "t", reader="photos")) == 2


def test_only_findings_can_be_accepted(tmp_path):
    with pytest.raises(DataError, match="size cannot be accepted; what can is background, codec"):
        prepared(frame_tree(tmp_path / "root"), tmp_path / "s", accept=("size",))


def test_no_frame_that_is_wanted_is_said(tmp_path):
    root = frame_tree(tmp_path / "root")
    drop(clip_folder(root), 0, 10)
    with pytest.raises(DataError, match=r"none of the frames that are wanted, every 10th, is in both"):
        prepared(root, tmp_path / "s", every_eval=10)


# -------------------------------------------------------------------------------------------------------------- folders


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("manipulated_sequences/face2face/raw/frames/000_003/0000.png", "unread-folder"),
        ("manipulated_sequences/Deepfakes/raw/frames/000_007.mp4.part", "partial-download"),
        ("manipulated_sequences/Deepfakes/raw/frames/copy.mp4", "misnamed"),
    ],
)
def test_what_was_left_out_is_refused_unless_accepted(tmp_path, name, code):
    root = frame_tree(tmp_path / "root")
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"not looked into")
    store = both_refuse(root, tmp_path, code, f"is not as it should be .*--accept {code}")
    assert len(store) == 2 * COUNT


# --------------------------------------------------------------------------------------------------------------- splits


def write_splits(folder, **groups):
    folder.mkdir()
    for name in ("train", "val", "test"):
        (folder / f"{name}.json").write_text(json.dumps(groups.get(name, [])))


def pair_tree(root):
    for name in ("a", "b"):
        for folder, frames in (
            ("original", clip_frames),
            ("manipulated", lambda seed, count: manipulated_frames(seed, "003", count=count)),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            write_png(root / folder / f"{name}.png", frames(str(ord(name)), 1)[0])
    return root


def test_doctor_and_prepare_agree_about_splits_of_pairs(tmp_path):
    root = pair_tree(tmp_path / "root")
    write_splits(root / "splits", train=[["a"]], test=[["b"]])
    with pytest.raises(DataError, match="allow-custom-split"):
        prepare(root, tmp_path / "s", settings(reader="pairs"), FakeDetector(CENTER))
    assert {f.code for f in examine(root, reader="pairs", detector=FakeDetector(CENTER))} == {"custom-split"}
    store = prepared(root, tmp_path / "s", reader="pairs")
    assert store.info.counts == {"test": {"EDIT": 1, "P": 1}, "train": {"EDIT": 1, "P": 1}}
    shutil.rmtree(root / "splits")
    write_splits(root / "splits", train=[["a"]], test=[["a"]])
    assert errors(root, reader="pairs") == {"split-leak"}
    with pytest.raises(DataError, match="share 1 people"):
        prepared(root, tmp_path / "t", reader="pairs")


def test_splits_beside_a_dataset_with_its_own_list_are_no_matter_to_either(tmp_path):
    for name in ("Celeb-real/id0_0000.png/0000.png", "Celeb-synthesis/id0_id1_0000/0000.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        write_png(tmp_path / name, clip_frames("0", 1)[0] if "real" in name else manipulated_frames("0", "003", count=1)[0])
    write_splits(tmp_path / "splits", train=[["id0"]], test=[["id0"]])
    (tmp_path / "Celeb-real/id0_0000.png").rename(tmp_path / "Celeb-real/id0_0000")
    assert examine(tmp_path, reader="celebdf", detector=FakeDetector(CENTER)) == []
    given = examine(tmp_path, reader="celebdf", splits=tmp_path / "splits")
    assert {finding.code for finding in given} == {"split-leak"}


def test_what_a_reader_refuses_of_splits_the_doctor_tells(tmp_path):
    root = frame_tree(tmp_path / "root")
    write_splits(root / "splits", train=[["000", "003", "005"]])
    assert errors(root) == {"splits"}  # no pairs


# ------------------------------------------------------------------------------------------------------- without originals


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A store of folders real and fake, each with three frames in train, val and test."""
    root, out = tmp_path_factory.mktemp("unpaired"), tmp_path_factory.mktemp("store") / "s"
    for number, split in enumerate(("train", "val", "test")):
        write_frames(root / split / "real" / "a", clip_frames(str(number), 3))
        write_frames(root / split / "fake" / "b", manipulated_frames(str(number + 5), "003", count=3))
    assert examine(root, reader="unpaired", detector=FakeDetector()) == []
    return prepared(root, out, reader="unpaired")


def test_unpaired_data_become_labels_without_masks(labelled):
    assert labelled.info.counts == {split: {"FAKE": 3, "P": 3} for split in ("test", "train", "val")}
    assert labelled.info.split_set == "folders" and labelled.info.recipes == ()
    for index in range(len(labelled)):
        row, crop = labelled.row(index), labelled.crop(index)
        fake = row.method == "FAKE"
        assert (row.label, row.recipe, row.accepted) == (int(fake), None, None) and crop.manipulated == fake
        assert (row.mask_pixels, row.mask_length > 0, crop.truth is None) == ((None, False, True) if fake else (0, True, False))
        if fake:
            with pytest.raises(ValueError, match="has a label and no mask"):
                _ = crop.mask
    assert labelled.count_label_only() == 9 and labelled.count_label_only("val", ["P"]) == 0
    windows = list(labelled.crops("test", policy="native", window=80)) + list(
        labelled.crops("test", policy="resized", window=40)
    )
    assert sum(window.truth is None for window in windows) == 6 and all(w.image.shape[0] in (80, 40) for w in windows)


def test_a_clip_whose_original_is_not_there_gets_a_label_when_asked_for(tmp_path):
    root = frame_tree(tmp_path / "root")
    shutil.rmtree(original_folder(root))
    store = both_refuse(root, tmp_path, "missing-partner", "its original is not there.*--accept missing-partner: labels only")
    assert store.count_label_only() == len(store) == COUNT
    assert {store.row(index).accepted for index in range(len(store))} == {"missing-partner"}
    with pytest.raises(DataError, match=r"crops of DF have a label and no mask.*take a cls model"):
        store.require_masks("training")


def test_show_tells_of_crops_without_masks(labelled, tmp_path):
    result = CliRunner().invoke(cli.app, ["show", str(labelled.path), "--out", str(tmp_path / "sheet.png")])
    assert result.exit_code == 0 and "without masks: 9 crops" in result.stdout and (tmp_path / "sheet.png").exists()


def test_help_names_every_reader():
    result = CliRunner().invoke(cli.app, ["prepare", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    from tamperlens.data.readers import READERS

    assert all(f"{name}:" in result.stdout for name in READERS)
