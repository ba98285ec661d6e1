import json

import numpy as np
import pytest
from PIL import Image

from faces_at_hand import hopper, hopper_face, hopper_portrait, mirrored
from tamperlens.data.footage import footage_of
from tamperlens.data.readers import READERS
from tamperlens.data.synthesize import TAG, _write_levels, synthesize
from tamperlens.errors import DataError
from tamperlens.faces import YuNet
from tamperlens.forge import learned
from tamperlens.forge.standins import STANDINS, aligned_face
from tamperlens.media import frames, video_info, write_video

DETECTOR = YuNet(scales=(480,))


@pytest.mark.parametrize("code", STANDINS)
def test_a_standin_changes_its_mask_and_nothing_else(code: str) -> None:
    image, face = hopper(), hopper_face()
    standin = STANDINS[code](mirrored(hopper_portrait()), np.random.default_rng(0))
    forged, mask = standin(image, face.landmarks, face, 0.2)
    again, _ = STANDINS[code](mirrored(hopper_portrait()), np.random.default_rng(0))(image, face.landmarks, face, 0.2)
    assert forged.shape == image.shape and forged.dtype == np.uint8 and np.array_equal(forged, again)
    assert np.array_equal(forged[~mask], image[~mask])
    assert 0.02 < mask.mean() < 0.6
    assert (forged != image).any(axis=2)[mask].mean() > 0.9


def test_neural_textures_draws_the_whole_square_again() -> None:
    image, face = hopper(), hopper_face()
    forged, mask = STANDINS["sNT"](hopper_portrait(), np.random.default_rng(0))(image, face.landmarks, face, 0.0)
    rows, columns = np.nonzero(mask)
    assert mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()  # a full rectangle
    assert np.ptp(rows) + 1 == pytest.approx(1.7 * face.size, abs=2)
    assert (forged != image).any(axis=2)[mask].mean() > 0.98


def test_the_learned_renderers_draw_what_they_are_shown() -> None:
    face = aligned_face(hopper(), hopper_face().landmarks)
    drawn = learned.decode(learned.encode(face))
    assert drawn.shape == face.shape == (64, 64, 3)
    assert np.abs(drawn.astype(int) - face).mean() < 30 < np.abs(drawn.astype(int) - 255 + face).mean()
    square = hopper_portrait(128).image
    assert np.abs(learned.render(square).astype(int) - square).mean() < 15


@pytest.mark.parametrize("side", [40, 96, 97, 288, 400])
def test_a_square_of_any_size_is_rendered_sharply_and_without_seams(side: int) -> None:
    square = np.asarray(Image.fromarray(hopper()[:500, :500]).resize((side, side)))
    off = np.abs(learned.render_finely(square).astype(int) - square).mean(axis=2)
    once = np.abs(learned.render(square).astype(int) - square).mean()
    assert off.shape == (side, side) and off.mean() < (0.8 if side > 200 else 1.2) * once
    for seam in range(96, min(side, 288), 96):
        assert off[:, seam].mean() < 3 * off.mean() and off[seam].mean() < 3 * off.mean()


def test_a_photo_becomes_a_clip_that_moves_and_keeps_its_landmarks(tmp_path) -> None:
    path = tmp_path / "p.png"
    Image.fromarray(hopper()).save(path)
    clip = footage_of(path, DETECTOR, count=6, longest=320, rng=np.random.default_rng(0))
    first, *_, last = clip.stream()
    assert first.shape[0] % 2 == first.shape[1] % 2 == 0 and max(first.shape) <= 320
    assert not np.array_equal(first, last) and np.array_equal(first, next(clip.stream()))
    for image, landmarks in ((first, clip.landmarks[0]), (last, clip.landmarks[-1])):
        assert np.abs(DETECTOR(image)[0].landmarks - landmarks).max() < 6


def test_the_camera_that_films_a_photo_is_as_noisy_as_asked(tmp_path) -> None:
    path = tmp_path / "p.png"
    Image.fromarray(hopper()).save(path)

    def clip(sensor_noise: float) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        footage = footage_of(path, DETECTOR, count=2, longest=320, rng=rng, sensor_noise=sensor_noise)
        return [image.astype(np.float64) for image in footage.stream()]

    still, noisy = clip(0), clip(12)
    fields = [a - b for a, b in zip(noisy, still, strict=True)]
    assert 0.4 * 12 < np.std(fields[0]) < 1.3 * 12  # half of it or more, and stronger in bright pixels
    assert abs(np.corrcoef(fields[0].ravel(), fields[1].ravel())[0, 1]) < 0.05, "each frame has noise of its own"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Six people (one face in six lights), tiny, raw only."""
    folder, out = tmp_path_factory.mktemp("people"), tmp_path_factory.mktemp("tree")
    for number in range(6):
        image = (255 * (hopper() / 255.0) ** (0.7 + 0.1 * number)).astype(np.uint8)
        Image.fromarray(image).resize((256, 300)).save(folder / f"{number}.png")
    (folder / "9.png").write_text("no picture")
    paths = sorted(folder.glob("*.png"))
    left_out = synthesize(paths, out, DETECTOR, methods=("sFS", "sNT"), compressions=("raw",), count=3, longest=300)
    return out, left_out, paths


def test_the_tree_is_read_as_faceforensics_and_raw_differs_only_in_the_mask(tree) -> None:
    out, left_out, _ = tree
    assert len(left_out) == 1 and "9.png" in left_out[0]
    clips = READERS["faceforensics"].read(out, splits=out / "splits", allow_custom_split=True)
    assert {clip.method for clip in clips} == {"P", "sFS", "sNT"} and len(clips) == 6 + 2 * 6
    for clip in clips:
        assert TAG in video_info(clip.path).tags["comment"]
        if clip.manipulated:
            pairs = zip(frames(clip.path), frames(clip.original), frames(clip.released_mask), strict=True)
            for forged, original, released in pairs:
                mask = released.image[..., 0] > 127
                assert np.array_equal(forged.image[~mask], original.image[~mask])
                assert (forged.image != original.image).any(axis=2)[mask].mean() > 0.6


def test_no_person_is_in_two_splits(tree) -> None:
    out, _, _ = tree
    people = [
        {name for pair in json.loads((out / "splits" / f"{split}.json").read_text()) for name in pair}
        for split in ("train", "val", "test")
    ]
    assert all(people) and len(set.union(*people)) == sum(len(own) for own in people) == 6


def test_a_run_that_was_cut_off_continues_with_the_same_bytes(tree, tmp_path) -> None:
    out, _, paths = tree
    folder = out / "manipulated_sequences" / "standin_FaceSwap" / "raw" / "videos"
    victim, kept = folder / "000_001.mp4", folder / "002_003.mp4"
    masks = folder.parents[1] / "masks" / "videos" / "004_005.mp4"  # its pictures are there
    before, before_masks, stamp = victim.read_bytes(), masks.read_bytes(), kept.stat().st_mtime_ns
    victim.unlink()
    masks.unlink()
    synthesize(paths, out, DETECTOR, methods=("sFS",), compressions=("raw",), count=3, longest=300)
    assert victim.read_bytes() == before and kept.stat().st_mtime_ns == stamp and masks.read_bytes() == before_masks
    with pytest.raises(DataError, match="a tree made with other files, content, seed;"):
        synthesize(paths[1:], out, DETECTOR, methods=("sFS",), compressions=("raw",), count=3, longest=300, seed=9)
    for path, other in zip(paths, reversed(paths), strict=True):  # other people of the same names
        (tmp_path / path.name).write_bytes(other.read_bytes())
    with pytest.raises(DataError, match="a tree made with other content;"):
        synthesize(sorted(tmp_path.iterdir()), out, DETECTOR, methods=("sFS",), compressions=("raw",), count=3, longest=300)


def test_two_processes_write_the_bytes_that_one_writes_and_progress_is_told(tree, tmp_path) -> None:
    out, left_out, paths = tree
    told: list[tuple[str, int, int]] = []
    settings = {"methods": ("sFS", "sNT"), "compressions": ("raw",), "count": 3, "longest": 300, "workers": 2}
    assert synthesize(paths, tmp_path, DETECTOR, **settings, progress=lambda *now: told.append(now)) == left_out
    made = [{str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()} for root in (out, tmp_path)]
    assert made[0] == made[1] and len(made[0]) == 6 + 2 * 2 * 6 + 3 + 1
    assert told == [("faces found", n, 7) for n in range(1, 8)] + [("pairs forged", n, 3) for n in range(1, 4)]


def test_levels_are_the_same_whether_encoded_from_the_raw_file_or_from_the_pictures(tmp_path) -> None:
    pictures = [np.ascontiguousarray(np.roll(hopper()[::4, ::4], shift, axis=1)) for shift in range(3)]
    for name, compressions in (("with", ("c23", "raw")), ("without", ("c23",))):
        _write_levels(tmp_path / name, "000", lambda: iter(pictures), compressions)
    made = [(tmp_path / name / "c23" / "videos" / "000.mp4").read_bytes() for name in ("with", "without")]
    assert made[0] == made[1]


def test_a_clip_can_be_a_source_and_too_few_people_are_refused(tmp_path) -> None:
    write_video(tmp_path / "clip.mp4", [np.ascontiguousarray(hopper()[::2, ::2])] * 4, 25)
    clip = footage_of(tmp_path / "clip.mp4", DETECTOR, count=3, longest=480, rng=np.random.default_rng(0))
    assert len(list(clip.stream())) == len(clip.boxes) == len(clip.landmarks) == 3
    with pytest.raises(DataError, match="1 usable files are too few"):
        synthesize([tmp_path / "clip.mp4"], tmp_path / "out", DETECTOR, compressions=("raw",), count=2, longest=200)
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(DataError, match=r"0 usable files .* \(1 could not be used, the first because .*broken.png"):
        synthesize([tmp_path / "broken.png"], tmp_path / "other", DETECTOR, compressions=("raw",), count=2, longest=200)
    with pytest.raises(DataError, match="unknown sXX"):
        synthesize([], tmp_path / "out", DETECTOR, methods=("sXX",))
