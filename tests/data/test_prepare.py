import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tamperlens import cli
from tamperlens.data.prepare import crop_writer
from tamperlens.data.prepare import run as preparing
from tamperlens.data.prepare.run import Execution, prepare
from tamperlens.data.store import Store
from tamperlens.data.store.manifest import INFO, MANIFEST, PARTS, SHARDS, PrepareSettings, StoreInfo
from tamperlens.data.store.shards import TarWriter
from tamperlens.errors import DataError
from tamperlens.faces import DETECTORS
from tamperlens.types import FaceBox
from trees import (
    CENTER,
    FakeDetector,
    build_tree,
    changed_area,
    clip_frames,
    encode,
    manipulated_frames,
    mask_video,
    video,
    write_mask,
)

SETTINGS = PrepareSettings(methods=("DF", "NT"), compression="raw", every_train=2, every_eval=5)
PAIRS = (("000", "003"), ("001", "002"))
TESTS = [str(folder) for folder in Path(__file__).parents[:2]]  # where another process finds this file and what it imports


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """Raw, two methods, a pair for training and one for testing: not to be changed."""
    root = build_tree(tmp_path_factory.mktemp("clips"), PAIRS)
    for name, pairs in (("train", PAIRS[:1]), ("val", ()), ("test", PAIRS[1:])):
        (root / "splits").mkdir(exist_ok=True)
        (root / "splits" / f"{name}.json").write_text(json.dumps(pairs))
    return root


def run(root, out, settings=SETTINGS, detector=None, **how):
    return prepare(root, out, settings, detector or FakeDetector(), allow_custom_split=True, execution=Execution(**how))


def content(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


@pytest.fixture(scope="session")
def calm(clips, tmp_path_factory) -> Path:
    """The store of an undisturbed run."""
    out = tmp_path_factory.mktemp("calm") / "store"
    run(clips, out)
    return out


@pytest.fixture
def mine(clips, tmp_path) -> Path:
    """A copy of the clips to break."""
    return Path(shutil.copytree(clips, tmp_path / "mine"))


# ------------------------------------------------------------------------------------------------------ what is written


def test_clips_that_were_synthesized_are_the_same_where_codecs_write_other_bytes(mine, tmp_path):
    def info(name: str) -> StoreInfo:
        run(mine, tmp_path / name)
        return Store(tmp_path / name).info

    found, video = info("found"), next(mine.glob("manipulated_sequences/*/raw/videos/*"))
    assert found.clips_hash == found.inputs_hash and "synthesized" not in (tmp_path / "found" / INFO).read_text()
    (mine / "synthesized.json").write_text('{"seed": 0}')
    made = info("made")
    with video.open("ab") as stream:
        stream.write(b"\0\0\0\x08free")
    elsewhere = info("elsewhere")
    assert made.inputs_hash == found.inputs_hash != elsewhere.inputs_hash
    assert made.clips_hash == elsewhere.clips_hash != found.clips_hash
    (mine / "synthesized.json").write_text('{"seed": 1}')
    assert info("other").clips_hash != made.clips_hash


def test_every_crop_lies_where_its_row_says(calm):
    store = Store(calm)
    assert store.info.counts == {split: dict.fromkeys(("DF", "NT", "P"), n) for split, n in (("test", 6), ("train", 12))}
    assert store.info.split_set.startswith("custom-") and store.info.crops == len(store) == 54
    for index in range(len(store)):
        row, crop = store.row(index), store.crop(index)
        frames = {
            "P": lambda row: clip_frames(row.target),
            "DF": lambda row: manipulated_frames(row.target, row.source, "Deepfakes"),
            "NT": lambda row: manipulated_frames(row.target, row.source, "NeuralTextures"),
        }[row.method](row)
        rows, columns = slice(row.top, row.top + row.side), slice(row.left, row.left + row.side)
        assert row.side == 60 and (row.face_x0, row.face_y1) == (CENTER[0] - 15, CENTER[1] + 15)
        assert (crop.image == frames[row.frame][rows, columns]).all()
        truth = changed_area()[rows, columns] if row.method != "P" else np.zeros((60, 60), bool)
        assert (crop.mask == truth).all() and row.label == (row.method != "P") and row.mask_pixels == truth.sum()
        assert (row.recipe, row.noise_p99) == ((None, None) if row.method == "P" else ("absdiff-exact", 0.0))
        assert row.frame % (2 if row.split == "train" else 5) == 0 and row.seconds == pytest.approx(row.frame / 25, abs=1e-3)
        assert crop.group == row.target and crop.subset == ("pristine" if row.method == "P" else row.method)


def test_shards_open_as_tar_and_webdataset_and_the_table_in_pyarrow(calm):
    table = pq.read_table(calm / MANIFEST).to_pylist()
    for shard in Store(calm).info.shards:
        with tarfile.open(calm / SHARDS / shard.file) as tar:
            members = {member.name: member for member in tar}
        assert all(member.mtime == member.uid == 0 and not member.uname for member in members.values())
        own = [row for row in table if row["shard"] == shard.file]
        assert len(members) == 3 * len(own)
        for row in own:
            key = f"{row['clip']}_{row['frame']:05d}"
            image, mask = members[f"{key}.crop.png"], members[f"{key}.mask.png"]
            assert (image.offset_data, image.size) == (row["image_offset"], row["image_length"])
            assert (mask.offset_data, mask.size) == (row["mask_offset"], row["mask_length"])
            with (calm / SHARDS / shard.file).open("rb") as stream:
                stream.seek(row["mask_offset"])
                assert stream.read(26)[24] == 1  # PNG header: bits per pixel


def test_padding_repeats_the_border_of_image_and_mask(clips, tmp_path):
    run(clips, tmp_path / "s", detector=FakeDetector((80, 60), size=70))  # 140 pixels wide, the frame is 120 high
    store = Store(tmp_path / "s")
    crop, row = store.crop(0), store.row(0)
    assert row.top == -10 and crop.image.shape == (140, 140, 3)
    assert (crop.image[:10] == crop.image[10]).all() and (crop.mask[:10] == crop.mask[10]).all()


class TwoFaces:
    """A large face in the corner that nobody touched, and a small one in the middle."""

    def __call__(self, image):
        marks = np.zeros((5, 2), np.float32)
        return [FaceBox(0, 0, 50, 50, 0.9, marks), FaceBox(65, 45, 95, 75, 0.9, marks)]


def test_of_several_faces_the_manipulated_one_is_followed_in_all_clips(clips, tmp_path):
    run(clips, tmp_path / "s", detector=TwoFaces())
    table = pq.read_table(tmp_path / "s" / MANIFEST)
    assert set(table["face_x0"].to_pylist()) == {65.0}


def test_without_manipulation_the_largest_face_is_followed(clips, tmp_path):
    run(clips, tmp_path / "s", SETTINGS.model_copy(update={"methods": ()}), TwoFaces())
    table = pq.read_table(tmp_path / "s" / MANIFEST)
    assert set(table["method"].to_pylist()) == {"P"} and set(table["face_x0"].to_pylist()) == {0.0}


def test_released_masks_are_met_frame_by_frame(mine, tmp_path):
    write_mask(mask_video(mine, "000_003"), changed_area((70, 60), 10))
    run(mine, tmp_path / "s", SETTINGS.model_copy(update={"recipe": "released", "methods": ("DF",)}))
    store = Store(tmp_path / "s")
    index = next(i for i in store.rows("train", "DF") if store.row(i).target == "000")
    truth = changed_area((70, 60), 10)[30:90, 50:110]
    assert (store.crop(index).mask != truth).mean() < 0.02  # mask videos are compressed
    assert {store.row(i).recipe for i in store.rows(method="DF")} == {"released"}


def test_a_mask_that_ends_early_fails_its_clip(mine, tmp_path):
    write_mask(mask_video(mine, "000_003"), count=7)
    with pytest.raises(DataError, match=r"1 of 8 clips failed .*DF/raw/000_003: it has 12 frames and its mask 7"):
        run(mine, tmp_path / "s", SETTINGS.model_copy(update={"recipe": "released", "methods": ("DF",)}))


def test_photos_share_units(tmp_path):
    cv2 = pytest.importorskip("cv2")
    for name in ("a.b", "a", "c"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), clip_frames(str(len(name)))[0])
    report = run(tmp_path / "photos", tmp_path / "s", PrepareSettings(reader="photos"))
    store = Store(tmp_path / "s")
    assert report.crops == len(store) == 3 and [shard.file for shard in store.info.shards] == ["photos-00000.tar"]
    with tarfile.open(tmp_path / "s" / SHARDS / "photos-00000.tar") as tar:
        assert "P/a%2Eb%2Epng_00000.crop.png" in tar.getnames()  # a key ends at its first dot


# ---------------------------------------------------------------------------------------------------- killed and resumed

KILLER = """
import os, random, resource, signal, sys
from pathlib import Path
sys.path[:0] = {tests!r}
from test_prepare import run
root, base, chance = Path({root!r}), Path({base!r}), random.Random(0)

def go(out, limit=0.0):
    pid = os.fork()
    if pid == 0:
        # The kernel ends the process at once, as SIGKILL does, but after seconds of its own work: a busy machine
        # changes nothing.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, limit)
        code = 1
        try:
            run(root, out)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]

assert go(base / "calm") == 0
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
longest, number, kills = usage.ru_utime + usage.ru_stime, 0, 0
while kills < 10:
    if go(base / str(number), chance.uniform(0.05, 0.8) * longest) == signal.SIGPROF:
        kills += 1
        number += kills % 2 == 0  # every store is killed twice ...
    else:
        number, longest = number + 1, 0.8 * longest  # ... unless it was done before
for out in sorted(base.iterdir()):
    assert go(out) == 0, out
"""


def test_killed_at_random_moments_it_ends_with_the_same_bytes(clips, calm, tmp_path):
    script = KILLER.format(tests=TESTS, root=str(clips), base=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    stores = sorted(tmp_path.iterdir())
    assert len(stores) >= 6
    for store in stores:
        assert content(store) == content(calm), store


@pytest.mark.parametrize("moment", range(1, 17, 2))
def test_stopped_at_any_rename_it_is_no_store_and_goes_on(clips, calm, tmp_path, monkeypatch, moment):
    real, calls = os.replace, []

    def stop(*paths):
        calls.append(paths)
        if len(calls) == moment:
            raise KeyboardInterrupt
        real(*paths)

    monkeypatch.setattr(os, "replace", stop)
    out = tmp_path / "s"
    with pytest.raises(KeyboardInterrupt):
        run(clips, out)
    with pytest.raises(DataError, match=r"no prepared store|not complete"):
        Store(out)
    run(clips, out)
    assert content(out) == content(calm)


def test_stopped_while_tidying_up_it_is_tidied_later(clips, calm, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(preparing, "_remove_parts", lambda out: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(clips, tmp_path / "s")
    assert len(Store(tmp_path / "s")) == 54
    run(clips, tmp_path / "s")
    assert content(tmp_path / "s") == content(calm)


def test_what_is_finished_is_not_done_again(clips, tmp_path, monkeypatch):
    detector = FakeDetector()
    seen = []
    run(clips, tmp_path / "s", detector=detector, progress=lambda now: seen.append((now.done, now.total, now.crops)))
    assert seen[0] == (0, 12, 0) and seen[-1] == (12, 12, 54)
    before, calls = content(tmp_path / "s"), detector.calls
    assert run(clips, tmp_path / "s", detector=detector).crops == 54
    assert detector.calls == calls and content(tmp_path / "s") == before


# ----------------------------------------------------------------------------------------------------- ways of running it


def test_two_processes_make_the_same_store_as_one(clips, calm, tmp_path):
    run(clips, tmp_path / "s", workers=2)
    assert content(tmp_path / "s") == content(calm)


def test_parts_of_the_work_make_the_same_store_whoever_ends_last(clips, calm, tmp_path):
    first = run(clips, tmp_path / "s", part=(2, 3))
    assert not first.complete and first.clips == 3
    with pytest.raises(DataError, match="not complete"):
        Store(tmp_path / "s")
    assert not run(clips, tmp_path / "s", part=(1, 3)).complete
    assert run(clips, tmp_path / "s", part=(3, 3)).complete
    assert content(tmp_path / "s") == content(calm)


def test_what_another_part_tries_again_meanwhile_is_not_lost(clips, calm, tmp_path):
    """The other part completes the store without it, in the midst of the second attempt."""
    out = tmp_path / "s"

    def at_the_first_call(do):
        class Detector(FakeDetector):
            def __call__(self, image):
                if not self.calls:
                    self.calls += 1
                    do()
                return super().__call__(image)

            def __repr__(self):
                return "the same"

        return Detector()

    def fail():
        raise ValueError("a strange file")

    def complete():
        report = run(clips, out, part=(1, 2), detector=at_the_first_call(lambda: None), keep_going=True)
        assert report.complete and report.failed

    run(clips, out, part=(2, 2), detector=at_the_first_call(fail), keep_going=True)
    report = run(clips, out, part=(2, 2), detector=at_the_first_call(complete), keep_going=True)
    assert report.complete and not report.failed
    run(clips, tmp_path / "calm", detector=at_the_first_call(lambda: None))
    assert content(out) == content(tmp_path / "calm")


class Deadly(FakeDetector):
    """Kills its process in the pictures of one clip always, of another once."""

    def __init__(self, always: str, once: str, flag: Path):
        super().__init__()
        self.always, self.once = (clip_frames(name)[0][0].mean() for name in (always, once))
        self.flag = flag

    def __call__(self, image):
        dies = image[0].mean() == self.always
        while dies and self.flag.exists():  # the other dies first: whoever is tried again alone must not have it before him
            time.sleep(0.05)
        if image[0].mean() == self.once and self.flag.exists():
            self.flag.unlink()
            dies = True
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(image)


def test_a_process_that_dies_costs_only_the_unit_that_kills_it(clips, calm, tmp_path):
    (tmp_path / "flag").touch()
    report = run(clips, tmp_path / "s", detector=Deadly("001", "000", tmp_path / "flag"), workers=2, keep_going=True)
    assert not (tmp_path / "flag").exists()
    assert [failure.clip for failure in report.failed] == ["P/raw/001", "DF/raw/001_002", "NT/raw/001_002"]
    assert all("its process died" in failure.reason for failure in report.failed)
    whole = content(calm)
    made = {name: bytes_ for name, bytes_ in content(tmp_path / "s").items() if name.startswith(SHARDS)}
    assert len(made) == 3 and all(whole[name] == bytes_ for name, bytes_ in made.items())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_run_takes_its_workers_along_and_goes_on(clips, calm, tmp_path):
    code = "import sys; sys.path[:0] = sys.argv[1:3]; import test_prepare as t; t.run(*map(t.Path, sys.argv[3:]), workers=2)"
    script = tmp_path / "main.py"
    script.write_text(f"if __name__ == '__main__':\n    {code}\n")
    out = tmp_path / "s"
    main = subprocess.Popen([sys.executable, script, *TESTS, clips, out])
    while main.poll() is None and not list((out / SHARDS).glob("*")):
        time.sleep(0.01)
    children = Path(f"/proc/{main.pid}/task/{main.pid}/children").read_text().split()
    main.kill()
    main.wait()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}/cmdline").exists() and Path(f"/proc/{child}/cmdline").read_bytes() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run(clips, out, workers=2)
    assert len(children) >= 2 and content(out) == content(calm)


@pytest.mark.slow
def test_two_ray_workers_make_the_same_store_as_one_process(clips, calm, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(TESTS))
    run(clips, tmp_path / "s", workers=2, ray="local")
    assert content(tmp_path / "s") == content(calm)


# ------------------------------------------------------------------------------------------------------------- bad input


def test_two_runs_on_one_store(clips, calm, tmp_path):
    refused = []

    def again(now):
        for part in ((1, 1), (1, 2)):
            with pytest.raises(DataError, match=r"another run is preparing .*s .*wait for it"):
                run(clips, tmp_path / "s", part=part)
            refused.append(part)

    run(clips, tmp_path / "s", progress=again)
    assert refused and content(tmp_path / "s") == content(calm)


def test_two_runs_of_one_part(clips, tmp_path):
    def again(now):
        with pytest.raises(DataError, match="another run is preparing"):
            run(clips, tmp_path / "s", part=(1, 2))
        run(clips, tmp_path / "s", part=(2, 2))

    assert run(clips, tmp_path / "s", part=(1, 2), progress=again).complete


def test_a_broken_clip_is_named_and_can_be_left_out_or_mended(mine, calm, tmp_path):
    path, out = video(mine, "000_003", method="Deepfakes"), tmp_path / "s"
    whole = path.read_bytes()
    path.write_bytes(whole[:-2000])
    for attempt in (1, 2):
        with pytest.raises(DataError, match=r"1 of 12 clips failed \(DF/raw/000_003: .*000_003\.mp4.*--keep-going"):
            run(mine, out)
        (record,) = [json.loads(file.read_text()) for file in (out / PARTS).glob("000*.json")]
        assert record["attempts"] == attempt and record["status"] == "failed"
    with pytest.raises(DataError, match="not complete"):
        Store(out)
    report = run(mine, out, keep_going=True)
    assert [failure.clip for failure in report.failed] == ["DF/raw/000_003"] and report.complete
    store = Store(out)
    assert store.info.counts["train"] == {"DF": 6, "NT": 12, "P": 12} and store.info.failed == report.failed
    detector = FakeDetector()
    with pytest.raises(DataError, match="1 of 12"):  # tried three times: not again before it changes
        run(mine, out, detector=detector)
    assert detector.calls == 0
    path.write_bytes(whole)
    assert not run(mine, out).failed
    assert content(out) == content(calm)


def test_a_broken_original_fails_what_was_made_from_it(mine, tmp_path):
    video(mine, "000").write_bytes(b"nothing")
    report = run(mine, tmp_path / "s", keep_going=True)
    assert [failure.clip for failure in report.failed] == ["P/raw/000", "DF/raw/000_003", "NT/raw/000_003"]
    assert "its original cannot be used: " in report.failed[1].reason and "its original" not in report.failed[0].reason


def test_a_clip_without_its_original(mine, tmp_path):
    video(mine, "000").unlink()
    report = run(mine, tmp_path / "s", keep_going=True)
    assert {failure.clip for failure in report.failed} == {"DF/raw/000_003", "NT/raw/000_003"}
    assert all("original is not there" in failure.reason for failure in report.failed)


def test_fewer_frames_than_the_original_are_told(mine, tmp_path):
    encode(video(mine, "000_003", method="Deepfakes"), manipulated_frames("000", "003", count=9), "raw")
    report = run(mine, tmp_path / "s")
    assert report.notes == ("DF/raw/000_003: 1 frames fewer than its original; those that both have are used",)
    assert report.crops == 53


def test_another_size_than_the_original(mine, tmp_path):
    small = [frame[:-20] for frame in manipulated_frames("000", "003")]
    encode(video(mine, "000_003", method="Deepfakes"), small, "raw")
    with pytest.raises(DataError, match=r"DF/raw/000_003: it is 160x100 and its original 160x120"):
        run(mine, tmp_path / "s")


def test_a_pair_too_noisy_for_its_recipe_is_refused_by_name(mine, tmp_path):
    noisy = [frame ^ np.uint8(1) for frame in manipulated_frames("000", "003")]
    encode(video(mine, "000_003", method="Deepfakes"), noisy, "raw")
    with pytest.raises(DataError, match=r"1 of 12 .*\(DF/raw/000_003: outside the face .*99th.*--accept noise-floor"):
        run(mine, tmp_path / "s")


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_store_goes_on_where_more_is_accepted_and_ends_as_if_it_had_been_from_the_start(mine, tmp_path, keep_going):
    noisy = [frame ^ np.uint8(1) for frame in manipulated_frames("000", "003")]
    encode(video(mine, "000_003", method="Deepfakes"), noisy, "raw")
    store, more = tmp_path / "s", SETTINGS.model_copy(update={"accept": ("noise-floor",)})
    for _ in range(2):
        with nullcontext() if keep_going else pytest.raises(DataError, match=r"1 of 12 clips failed .*--accept noise-floor"):
            assert len(run(mine, store, attempts=1, keep_going=keep_going).failed) == 1
    stamps = {path.name: path.stat().st_mtime_ns for path in (store / "shards").iterdir()}
    report = run(mine, store, more, attempts=1)
    assert report.complete and report.notes == ("DF/raw/000_003: used in spite of noise-floor",)
    again = [name for name, stamp in stamps.items() if (store / "shards" / name).stat().st_mtime_ns != stamp]
    assert len(again) == 1 < len(stamps)  # only the unit with the clip
    assert not run(mine, tmp_path / "t", more).failed
    assert content(store) == content(tmp_path / "t")
    with pytest.raises(DataError, match=r"other settings \(accept \('noise-floor',\) and not \(\)\)"):
        run(mine, store)


def test_a_close_up_whose_noise_floor_cannot_be_measured_is_used_only_when_asked_for_and_its_rows_say_so(mine, tmp_path):
    encode(video(mine, "000_003", method="Deepfakes"), [frame ^ 64 for frame in clip_frames("000")], "raw")
    settings, close = SETTINGS.model_copy(update={"methods": ("DF",)}), FakeDetector(size=120)
    with pytest.raises(DataError, match=r"4 of 8 clips failed .*noise floor cannot be measured.*--accept noise-unknown"):
        run(mine, tmp_path / "s", settings, close)
    report = run(mine, tmp_path / "t", settings.model_copy(update={"accept": ("noise-unknown",)}), close)
    assert not report.failed and report.notes == ("DF/raw/000_003 and 3 more: used in spite of noise-unknown",)
    store = Store(tmp_path / "t")
    for index in range(len(store)):
        row = store.row(index)
        assert (row.accepted, row.noise_p99) == ("noise-unknown" if row.method == "DF" else None, None)


def test_a_clip_without_a_face(clips, tmp_path):
    class Blind(FakeDetector):
        def __call__(self, image):
            return []

    with pytest.raises(DataError, match=r"12 of 12 clips failed .*no face was found in the 6 frames.*and 2 more"):
        run(clips, tmp_path / "s", detector=Blind())
    with pytest.raises(DataError, match="12 of 12"):  # nothing is no store
        run(clips, tmp_path / "s", detector=Blind(), keep_going=True)


def test_other_settings_another_version_and_other_things(clips, calm, tmp_path):
    store = Path(shutil.copytree(calm, tmp_path / "s"))
    with pytest.raises(DataError, match=r"other settings \(every_eval 5 and not 4\)"):
        run(clips, store, SETTINGS.model_copy(update={"every_eval": 4}))
    page = json.loads((store / INFO).read_text())
    (store / INFO).write_text(json.dumps({**page, "version": 99}))
    for use in (lambda: run(clips, store), lambda: Store(store)):
        with pytest.raises(DataError, match=r"store\.json: the store is of version 99, .*reads version 1"):
            use()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(DataError, match=r"holds other things \(thesis\.tex\) and no store"):
        run(clips, tmp_path / "full")


def test_a_complete_store_of_other_clips(mine, tmp_path):
    run(mine, tmp_path / "s")
    video(mine, "001_002", method="Deepfakes").unlink()
    with pytest.raises(DataError, match="made from other clips or splits"):
        run(mine, tmp_path / "s")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(clips, calm, tmp_path, monkeypatch):
    class Full(TarWriter):
        def __init__(self, path):
            super().__init__(Path("/dev/full"))
            self.path = path

    with monkeypatch.context() as patch:
        patch.setattr(crop_writer, "TarWriter", Full)
        with pytest.raises(DataError, match=r"000-.*cannot be written \(No space left on device\); free space"):
            run(clips, tmp_path / "s", keep_going=True)
    run(clips, tmp_path / "s")
    assert content(tmp_path / "s") == content(calm)


def test_a_folder_that_cannot_be_written(clips, tmp_path, monkeypatch):
    def refuse(self, *given, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DataError, match=r"s cannot be written \(Read-only file system\).*another store folder"):
        run(clips, tmp_path / "s")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder(clips, tmp_path):
    (tmp_path / "s").mkdir(mode=0o500)
    with pytest.raises(DataError, match=r"s cannot be written \(Permission denied\)"):
        run(clips, tmp_path / "s")


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"recipe": "magic"}, {}, "unknown mask recipe 'magic'; known are absdiff-exact"),
        ({"reader": "magic"}, {}, "unknown dataset reader 'magic'; known are faceforensics"),
        ({"methods": ("magic",)}, {}, "unknown method 'magic'"),
        ({}, {"part": (3, 2)}, "i from 1 to n"),
    ],
)
def test_settings_that_make_no_sense(clips, tmp_path, settings, options, message):
    with pytest.raises(DataError, match=message):
        run(clips, tmp_path / "s", SETTINGS.model_copy(update=settings), **options)
    assert not (tmp_path / "s").exists()


# ------------------------------------------------------------------------------------------------------- the command line


def command(*arguments):
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def found(monkeypatch):
    """Faces where the synthetic clips have none."""
    monkeypatch.setitem(DETECTORS, "yunet", lambda purpose: FakeDetector())


def test_prepare_and_show(mine, calm, tmp_path, found):
    options = ["--methods", "DF,NT", "--compression", "raw", "--every-train", 2, "--every-eval", 5, "--out", tmp_path / "s"]
    code, out, err = command("prepare", mine, *options)
    assert code == 2 and "--allow-custom-split" in err
    code, out, err = command("prepare", mine, *options, "--allow-custom-split", "--part", "1/2")
    assert code == 0 and "27 crops of 6 clips, 0 clips failed; part done" in out
    code, out, err = command("prepare", mine, *options, "--allow-custom-split")
    assert code == 0 and "54 crops of 12 clips, 0 clips failed; complete" in out
    assert content(tmp_path / "s") == content(calm)
    code, out, _ = command("show", tmp_path / "s")
    assert code == 0 and "absdiff-exact v1" in out and "custom-" in out and "methods DF,NT, compression raw, " in out
    assert [line.split() for line in out.splitlines() if line.startswith("train")] == [["train", "12", "12", "12"]]
    assert (tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"


def test_prepare_tells_what_failed(mine, tmp_path, found):
    video(mine, "000_003", method="Deepfakes").write_bytes(b"nothing")
    options = ["--methods", "DF", "--allow-custom-split", "--out", tmp_path / "s"]
    code, _, err = command("prepare", mine, *options)
    assert code == 2 and "failed: DF/raw/000_003" in err and "1 of 8 clips failed" in err
    code, out, _ = command("prepare", mine, *options, "--keep-going")
    assert code == 0 and "1 clips failed; complete" in out
    code, out, _ = command("show", tmp_path / "s", "--out", tmp_path / "sheet.png")
    assert code == 0 and "failed: DF/raw/000_003" in out and (tmp_path / "sheet.png").exists()
    code, _, err = command("prepare", mine, *options, "--part", "half")
    assert code == 2 and "1/4" in err


def test_show_of_no_store(tmp_path):
    code, _, err = command("show", tmp_path)
    assert code == 2 and "is no prepared store" in err


def test_doctor_for_people_and_machines(mine, found):
    code, out, _ = command("doctor", mine, "--compression", "raw", "--methods", "P,DF,NT")
    assert code == 0 and "custom-split" in out  # a note
    video(mine, "000").unlink()
    code, out, _ = command("doctor", mine)
    assert code == 2 and "prepare --accept missing-partner" in " ".join(out.split())
    code, out, _ = command("doctor", mine, "--json", "--full")
    told = json.loads(out)
    assert code == told["exit_code"] == 2 and {"severity", "code", "path", "message", "fix"} == told["findings"][0].keys()
    code, _, err = command("doctor", mine, "--reader", "magic")
    assert code == 2 and "unknown dataset reader" in err


def test_preparing_never_imports_torch():
    code = "import sys, tamperlens.cli, tamperlens.data.prepare.run, tamperlens.data.store; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
