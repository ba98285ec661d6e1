"""Every defect is planted in a copy of a clean tree and must be found under its own name, and nothing else with it."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tamperlens.data.doctor import Finding, Severity, examine, exit_code
from tamperlens.data.prepare.dataset_checks import check_methods
from tamperlens.data.readers.clips import Clip, Layout
from tamperlens.errors import DataError
from tamperlens.media import write_png
from trees import (
    CENTER,
    FRAMES,
    HEIGHT,
    WIDTH,
    FakeDetector,
    build_tree,
    changed_area,
    clip_frames,
    encode,
    manipulated_frames,
    mask_video,
    texture,
    video,
    write_frames,
    write_mask,
)

DF = "Deepfakes"


def codes(findings):
    return {finding.code for finding in findings}


def only(findings, code):
    assert codes(findings) == {code}, [asdict(finding) for finding in findings]
    return findings[0]


@pytest.mark.parametrize("quick", [True, False])
def test_a_clean_tree_has_no_findings(clean_tree, quick):
    seen = []
    findings = examine(clean_tree, detector=FakeDetector(), quick=quick, progress=lambda *step: seen.append(step))
    assert findings == []
    assert exit_code(findings) == 0
    assert seen[-1] == (12, 12)


def test_nothing_is_modified(tree):
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    video(tree, "000", "raw").unlink()
    examine(tree, detector=FakeDetector())
    after = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    del before[video(tree, "000", "raw")], before[video(tree, "000", "raw").parent]
    del after[video(tree, "000", "raw").parent]
    assert after == before


def test_finds_a_missing_partner(tree):
    video(tree, "000", "c23").unlink()
    finding = only(examine(tree), "missing-partner")
    assert finding.severity is Severity.ERROR
    assert "000" in finding.message and "c23" in finding.message


def test_finds_a_missing_mask(tree):
    mask_video(tree, "000_003").unlink()
    finding = only(examine(tree), "missing-mask")
    assert finding.path == str(video(tree, "000_003", "c23", DF))


def test_finds_an_unreadable_video(tree):
    path = video(tree, "000_003", "raw", DF)
    path.write_bytes(b"not found" * 100)
    assert only(examine(tree), "unreadable").path == str(path)


def test_the_quick_look_finds_a_video_cut_off_behind_the_first_second(tmp_path):
    root = build_tree(tmp_path, methods=(DF,), count=60)
    path = video(root, "000_003", "raw", DF)
    path.write_bytes(path.read_bytes()[:-2000])
    finding = only(examine(root), "unreadable")
    assert finding.path == str(path) and "2000 bytes" in finding.message


def test_the_full_look_finds_damage_behind_the_first_second(tmp_path):
    root = build_tree(tmp_path, methods=(DF,), count=60)
    path = video(root, "000_003", "raw", DF)
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4 : len(content) * 3 // 4 + 4000] = bytes(4000)
    path.write_bytes(content)
    assert examine(root) == []
    assert only(examine(root, quick=False), "unreadable").path == str(path)


def test_finds_frame_counts_that_differ(tree):
    encode(video(tree, "000_003", "raw", DF), manipulated_frames("000", "003", DF)[:-2], "raw")
    finding = only([f for f in examine(tree) if "its original" in f.message], "frame-count")
    assert finding.severity is Severity.WARNING
    assert "10 frames" in finding.message and "12" in finding.message


def test_finds_sizes_that_differ(tree):
    path = video(tree, "000_003", "raw", DF)
    encode(path, [frame[:-8] for frame in manipulated_frames("000", "003", DF)], "raw")
    finding = [f for f in examine(tree) if "its original" in f.message]
    assert f"{WIDTH}x{HEIGHT - 8}" in only(finding, "size").message


def test_finds_duplicates(tree):
    shutil.copy(video(tree, "000"), video(tree, "005"))
    finding = only(examine(tree), "duplicate")
    assert finding.path.endswith("005.mp4") and "000.mp4" in finding.message


def test_finds_a_manipulated_clip_that_is_its_original(tree):
    # Encoded anew, so that the bytes differ.
    encode(video(tree, "000_003", "raw", DF), clip_frames("000"), "raw", metadata={"comment": "copy"})
    assert only(examine(tree), "unchanged").severity is Severity.ERROR


def test_finds_empty_masks(tree):
    write_mask(mask_video(tree, "000_003"), np.zeros((HEIGHT, WIDTH), bool))
    findings = examine(tree, compression="raw")
    assert only(findings, "mask-empty").path == str(mask_video(tree, "000_003"))


def test_finds_inverted_masks(tree):
    write_mask(mask_video(tree, "000_003"), ~changed_area())
    findings = examine(tree, compression="raw")
    assert only(findings, "mask-inverted").path == str(mask_video(tree, "000_003"))


def test_finds_a_mask_of_another_size(tree):
    write_mask(mask_video(tree, "000_003"), changed_area()[:100])
    assert "its mask" in only(examine(tree, compression="raw"), "size").message


def test_finds_a_c40_original_in_a_c23_folder(tree):
    # With NeuralTextures alone asked for, originals are not clips of their own: they are checked all the same.
    encode(video(tree, "003", "c23"), clip_frames("003"), "c23", crf=40)
    findings = [f for f in examine(tree, methods=["NT"]) if f.code == "codec"]
    assert [f.path for f in findings] == [str(video(tree, "003", "c23"))]
    assert "crf=40" in findings[0].message and "c23" in findings[0].message


def test_finds_a_c23_video_in_a_raw_folder(tree):
    shutil.copy(video(tree, "000", "c23"), video(tree, "000", "raw"))
    assert {"codec", "noise-floor", "duplicate"} == codes(examine(tree))


def test_says_when_encoders_left_no_settings(tree):
    encode(video(tree, "000", "c23"), clip_frames("000"), "c23", codec="mpeg4")
    finding = [f for f in examine(tree) if f.severity is Severity.NOTE]
    assert only(finding, "codec-unknown").path == str(video(tree, "000", "c23"))


def test_finds_a_pair_that_cannot_be_differenced(tree):
    noisy = [np.clip(f + np.random.default_rng(1).normal(0, 12, f.shape), 0, 255).astype(np.uint8) for f in clip_frames("000")]
    encode(video(tree, "000", "c23"), noisy, "c23")
    findings = examine(tree, methods=["DF"], compression="c23")
    assert only(findings, "noise-floor").severity is Severity.ERROR
    assert findings[0].path == str(video(tree, "000_003", "c23", DF)) and "99th percentile" in findings[0].message


@pytest.mark.parametrize("detector", [None, FakeDetector(size=120)])
def test_a_close_up_in_which_noise_cannot_be_measured_is_an_error(tree, detector):
    encode(video(tree, "000_003", "raw", DF), [frame ^ 64 for frame in clip_frames("000")], "raw")
    write_mask(mask_video(tree, "000_003"), np.ones((HEIGHT, WIDTH), bool))
    findings = examine(tree, methods=["DF"], compression="raw", detector=detector)
    finding = only(findings, "noise-unknown")
    assert finding.severity is Severity.ERROR and "noise floor cannot be measured" in finding.message
    # A recipe that takes no differences does not ask.
    assert examine(tree, methods=["DF"], compression="raw", detector=detector, recipe="released") == []


def test_c40_noise_is_a_warning_because_released_masks_do_not_mind(tmp_path):
    root = build_tree(tmp_path, methods=(DF,), levels=("c40",))
    noisy = [np.clip(f + np.random.default_rng(1).normal(0, 25, f.shape), 0, 255).astype(np.uint8) for f in clip_frames("000")]
    encode(video(root, "000", "c40"), noisy, "c40", crf=40)
    findings = examine(root)
    assert only(findings, "noise-floor").severity is Severity.WARNING
    assert exit_code(findings) == 1


def test_of_two_faces_the_manipulated_one_counts_as_in_prepare(tree):
    elsewhere = (40, 60)
    frames = manipulated_frames("000", "003", DF, center=elsewhere)
    encode(video(tree, "000_003", "raw", DF), frames, "raw")
    write_mask(mask_video(tree, "000_003"), changed_area(elsewhere))

    def found(*centers):
        findings = examine(tree, compression="raw", detector=FakeDetector(*centers))
        return [f for f in findings if "Deepfakes/raw/videos/000_003" in f.path]

    assert found((120, 60), elsewhere) == []  # largest first
    assert only(found((120, 60)), "wrong-face").severity is Severity.ERROR
    assert examine(tree, compression="raw") == []  # without a detector it cannot be told


def test_finds_originals_without_a_face(tree):
    detector = FakeDetector()
    detector.centers = ()
    assert only(examine(tree, methods=["DF"], detector=detector), "no-face").severity is Severity.WARNING


def test_looks_for_faces_once_per_original_frame(clean_tree):
    detector = FakeDetector()
    examine(clean_tree, compression="raw", detector=detector)
    frames_looked_at = len(range(0, FRAMES, 10))
    assert detector.calls == 2 * frames_looked_at  # two originals, two methods


def test_finds_misnamed_files(tree):
    shutil.copy(video(tree, "000_003", "raw", DF), video(tree, "000_003 (1)", "raw", DF))
    assert only(examine(tree), "misnamed").path.endswith("000_003 (1).mp4")


def test_finds_frame_folders_numbered_from_different_starts(tmp_path):
    base = tmp_path / "original_sequences" / "youtube" / "raw" / "images" / "000"
    write_frames(base, clip_frames("000"))
    fake = tmp_path / "manipulated_sequences" / DF / "raw" / "images" / "000_003"
    write_frames(fake, manipulated_frames("000", "003"), first=1)
    assert "numbered from 1" in only(examine(tmp_path), "frame-numbers").message


def test_finds_raw_frames_kept_as_jpeg(tmp_path):
    write_frames(tmp_path / "original_sequences" / "youtube" / "raw" / "images" / "000", clip_frames("000"), suffix=".jpg")
    assert "JPEG" in only(examine(tmp_path), "codec").message


def write_splits(folder, train, val, test):
    folder.mkdir(exist_ok=True)
    for name, pairs in {"train": train, "val": val, "test": test}.items():
        (folder / f"{name}.json").write_text(json.dumps(pairs))


def test_finds_splits_that_share_a_person(tree):
    write_splits(tree / "splits", [["000", "003"]], [["005", "007"]], [["003", "009"]])
    finding = only(examine(tree), "split-leak")
    assert "003 in train and test" in finding.message


def test_finds_clips_that_mix_people_of_two_splits(tree):
    write_splits(tree / "splits", [["000", "001"]], [["005", "007"]], [["003", "009"]])
    leaks = [f for f in examine(tree, methods=["DF"], compression="raw") if f.code == "split-leak"]
    assert len(leaks) == 2 and "000 in train" in leaks[0].message


def test_notes_custom_splits_and_refuses_broken_ones(tree):
    write_splits(tree / "splits", [["000", "003"]], [["005", "007"]], [["008", "009"]])
    findings = examine(tree)
    assert "custom-" in only(findings, "custom-split").message and exit_code(findings) == 0
    (tree / "splits" / "val.json").write_text("[1, 2]")
    assert "val.json" in only(examine(tree), "splits").message


def test_a_folder_that_is_no_dataset_is_a_finding(tmp_path):
    assert exit_code([only(examine(tmp_path), "layout")]) == 2
    with pytest.raises(DataError, match="celebdf"):
        examine(tmp_path, reader="imagenet")


def test_photos_are_examined_too(tmp_path):
    for folder in ("original", "manipulated"):
        (tmp_path / folder).mkdir()
    original, manipulated = clip_frames("000", 1)[0], manipulated_frames("000", "003", count=1)[0]
    write_png(tmp_path / "original" / "a.png", original)
    write_png(tmp_path / "manipulated" / "a.png", manipulated)
    write_png(tmp_path / "original" / "b.png", texture(1))
    write_png(tmp_path / "manipulated" / "b.png", texture(2))
    finding = only(examine(tmp_path, reader="pairs", detector=FakeDetector(CENTER)), "background")
    assert finding.path.endswith("manipulated/b.png")


def test_exit_codes():
    findings = [Finding(severity, "x", "p", "m", "f") for severity in (Severity.NOTE, Severity.WARNING, Severity.ERROR)]
    assert [exit_code(findings[:count]) for count in range(4)] == [0, 0, 1, 2]


def test_finds_a_method_whose_download_ended_early():
    def clip(method, name, level="c23"):
        target, source = name.split("_")
        path = Path(method) / f"{name}.mp4"
        return Clip(f"{method}/{level}/{name}", path, method, target, source, level, None, None, None, (), Layout.VIDEO)

    whole = [clip(method, name) for method in ("DF", "F2F") for name in ("000_003", "003_000", "001_002")]
    assert list(check_methods(whole)) == []
    others = [clip("DFD", "01_02"), clip("NT", "000_003", "c40")]  # other videos, another level: nothing to compare with
    assert list(check_methods(whole + others)) == []
    (finding,) = check_methods([*whole, clip("NT", "003_000")])
    assert (finding.severity, finding.code, finding.path) == (Severity.WARNING, "fewer-clips", "NT")
    assert finding.message == "NT has 1 clip at c23, and other methods 2 more of the same videos, such as 000_003"
