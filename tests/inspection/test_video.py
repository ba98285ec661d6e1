import math
import pickle
import struct
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import clips_at_hand as clips
from faces_at_hand import hopper, hopper_face, somebody_else
from predictor_at_hand import FakePredictor
from tamperlens.errors import MediaError, ModelError, UnsupportedMedia
from tamperlens.faces import FaceTracks, detector_for
from tamperlens.forge.whole import forge_face
from tamperlens.inspection import video
from tamperlens.inspection.casefile import timeline
from tamperlens.inspection.verdict import AGGREGATIONS, judge_tracks, rule_of, video_verdict
from tamperlens.inspection.video import boxes_at, default_every, heat_of, inspect_video
from tamperlens.media import VideoSampler, moves, write_video
from tamperlens.models.runtime import load
from tamperlens.types import FaceBox, FaceFinding, FaceTrack, Sighting, Verdict, VideoInspection, VideoRule

RULE = VideoRule("median", 0.6, 0.4, 3)
DETECTOR = detector_for("video")


def inspected(path: Path, *scores: float, detector=DETECTOR, **options):
    return inspect_video(path, detector, FakePredictor(*(scores or (0.1,))), rule=RULE, **options)


def spans(inspection: VideoInspection) -> list[tuple[float, float]]:
    """First and last second of each face."""
    return [(track.sightings[0].seconds, track.sightings[-1].seconds) for track in inspection.tracks]


def box(x: float = 100, y: float = 60, size: float = 60) -> FaceBox:
    return FaceBox(x, y, x + size, y + size, 0.9, np.zeros((5, 2), np.float32))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """50 frames at 25 a second: one face all along."""
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    write_video(path, clips.face_clip(50), 25, codec="libx264", crf=18)
    return path


# ------------------------------------------------------------------------------------------------- what is read, and when


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "webm"])
def test_every_container_is_sampled_at_true_times(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write_video(path, clips.empty_clip(30), 10, codec="libvpx-vp9" if suffix == "webm" else "libx264", crf=30)
    sampler = VideoSampler(path, every=0.5)
    assert [frame.seconds for frame in sampler] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5], abs=2e-3)
    assert sampler.complete and sampler.notes == () and sampler.decoded == 30
    assert moves(path)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animations_are_videos(tmp_path: Path, format: str) -> None:
    path = tmp_path / "a"
    pictures = [Image.fromarray(image) for image in clips.face_clip(8)]
    pictures[0].save(path, format, save_all=True, append_images=pictures[1:], duration=200)
    assert moves(path)
    assert [frame.seconds for frame in VideoSampler(path)] == pytest.approx(np.arange(8) * 0.2)
    inspection = inspected(path, every=0.4)
    assert inspection.frames == 4 and len(inspection.tracks) == 1
    Image.fromarray(hopper()).save(path, format)
    assert not moves(path)
    with pytest.raises(UnsupportedMedia, match="this is a photo"):
        list(VideoSampler(path))


def test_uneven_times_and_a_part(tmp_path: Path) -> None:
    times = [0, 0.04, 0.2, 0.24, 1.0, 1.04, 2.0]
    path = clips.write_clip(tmp_path / "a.mkv", clips.empty_clip(7), times)
    assert [frame.seconds for frame in VideoSampler(path, every=0.1)] == pytest.approx([0, 0.2, 1.0, 2.0], abs=2e-3)
    part = VideoSampler(path, start=0.2, end=1.04)
    assert [(frame.index, round(frame.seconds, 2)) for frame in part] == [(2, 0.2), (3, 0.24), (4, 1.0)]
    with pytest.raises(MediaError, match="no frame can be read between second 5 and second 6"):
        list(VideoSampler(path, start=5, end=6))


def test_a_video_that_asks_to_be_turned_is_inspected_upright(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, (np.rot90(image).copy() for image in clips.face_clip(12)), 10, codec="libx264", crf=18)
    data = path.read_bytes()
    unity, quarter = (struct.pack(">9i", a, b, 0, -b, a, 0, 0, 0, 1 << 30) for a, b in ((65536, 0), (0, 65536)))
    track = data.index(unity, data.index(b"tkhd"))
    path.write_bytes(data[:track] + quarter + data[track + len(quarter) :])
    inspection = inspected(path, every=0.3)
    assert (inspection.width, inspection.height) == (clips.WIDTH, clips.HEIGHT) and len(inspection.tracks) == 1


def test_a_late_part_is_found_by_the_index(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, clips.empty_clip(300), 25, codec="libx264", crf=30)
    sampler = VideoSampler(path, start=10.5)
    first = next(iter(sampler))
    assert first.seconds == pytest.approx(10.52, abs=1e-3) and first.index == 263
    assert sampler.decoded < 263


@pytest.mark.parametrize(("suffix", "codec", "format"), [("ts", "libx264", "mpegts"), ("mpg", "mpeg2video", "mpeg")])
def test_a_late_part_of_a_video_without_an_index_is_whole(suffix: str, codec: str, format: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=25, options={"g": "250", "sc_threshold": "0"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = clips.WIDTH, clips.HEIGHT, "yuv420p"
        stream.gop_size = 250
        for image in clips.empty_clip(400):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    (late,) = islice(VideoSampler(path, start=8.0), 1)
    assert late.seconds == pytest.approx(8.0, abs=0.05)
    assert [frame.seconds for frame in VideoSampler(path, start=11.0, end=11.2)] == pytest.approx(
        [11.0, 11.04, 11.08, 11.12, 11.16], abs=0.02
    )


def test_scenes_end_at_cuts(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, [*clips.face_clip(10), *clips.empty_clip(10), *clips.face_clip(10)], 10, codec="libx264", crf=18)
    assert [round(f.seconds, 1) for f in VideoSampler(path, every=0.2) if f.cut] == [1.0, 2.0]
    inspection = inspected(path, every=0.2)
    (track,) = inspection.tracks  # the same person in the same place
    assert [seen.seconds for seen in track.sightings] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 2, 2.2, 2.4, 2.6, 2.8])
    assert boxes_at(inspection, 1.5) == {}
    write_video(path, [*clips.face_clip(15), *clips.other_clip(15)], 10, codec="libx264", crf=18)
    assert spans(inspected(path, every=0.2)) == [(0.0, 1.4), (1.6, 2.8)]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_flashes_end_no_face(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, clips.with_flashes(clips.face_clip(40), length), 25, codec="libx264", crf=18)
    assert not any(frame.cut for frame in VideoSampler(path))
    assert spans(inspected(path, every=0.2)) == [(0.0, pytest.approx(1.4))]


def test_a_forgery_with_bright_frames_is_still_found(tmp_path: Path) -> None:
    """Two bright frames of 13 cut the demo's forgery into faces of one or two judged frames: it passed for "none judged"."""
    forgery = np.asarray(forge_face(hopper(), hopper_face(), "self_blend", seed=7).image, np.uint8)
    path = tmp_path / "a.mp4"
    write_video(path, clips.with_flashes([forgery] * 40, 2), 25, codec="libx264", crf=18)
    inspection = inspect_video(path, DETECTOR, load("contrast-seg"))
    assert inspection.verdict is Verdict.MANIPULATED and len(inspection.tracks) == 1
    assert inspection.score is not None and inspection.score > 0.98


@pytest.mark.parametrize("pixels", [4, 32])
def test_a_shaking_camera_ends_no_face(tmp_path: Path, pixels: int) -> None:
    rng = np.random.default_rng(0)
    shaken = [np.roll(image, rng.integers(-pixels, pixels + 1, 2), (0, 1)) for image in clips.face_clip(30)]
    write_video(tmp_path / "a.mp4", shaken, 25, codec="libx264", crf=18)
    assert spans(inspected(tmp_path / "a.mp4", every=0.2)) == [(0.0, pytest.approx(1.0))]


def test_slides_are_judged_like_pictures(tmp_path: Path) -> None:
    """Of a slide of 2.5 seconds two frames are judged, fewer than the rule for videos needs."""
    slides = [picture for photo in (hopper, somebody_else) for picture in [clips.face_picture(photo=photo)] * 25]
    write_video(tmp_path / "a.mp4", slides, 10, codec="libx264", crf=18)
    inspection = inspected(tmp_path / "a.mp4", 0.1, 0.1, 0.1, 0.9, every=1.25)
    assert [track.verdict for track in inspection.tracks] == ["no_evidence", "manipulated"]
    assert inspection.verdict is Verdict.MANIPULATED and "judged like a picture" in inspection.reasons[0]
    # The second slide is judged after mild re-encodes, too, as a photo is.
    turned = inspected(tmp_path / "a.mp4", 0.1, 0.1, 0.1, 0.9, 0.1, every=1.25)
    assert (
        turned.tracks[1].verdict is Verdict.INCONCLUSIVE and "depends on how the file is encoded" in turned.tracks[1].reasons[0]
    )


def test_the_default_interval_gives_short_videos_ten_frames(clip: Path, tmp_path: Path) -> None:
    assert default_every(clip) == pytest.approx(0.2)
    assert default_every(clip, 1.0) == pytest.approx(0.1)
    write_video(tmp_path / "long.mkv", clips.empty_clip(60), 2, codec="libx264", crf=40)
    assert default_every(tmp_path / "long.mkv") == 1.0


# ------------------------------------------------------------------------------------------------------- faces and verdicts


def test_one_face_is_one_track_through_the_clip(clip: Path) -> None:
    inspection = inspected(clip, 0.1, 0.7, 0.7, 0.1, 0.7, every=0.4)
    (track,) = inspection.tracks
    assert [seen.seconds for seen in track.sightings] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6])
    assert inspection.verdict is track.verdict is Verdict.MANIPULATED and inspection.score == pytest.approx(0.7)
    assert track.raised == ((pytest.approx(0.4), pytest.approx(0.8)), (pytest.approx(1.6), pytest.approx(1.6)))
    assert "face 1 (second 0.0 to 1.6)" in inspection.reasons[0] and "second 0.4 to 0.8, 1.6" in inspection.reasons[0]
    assert track.number in inspection.pictures and len(inspection.highest) == 5
    heat = heat_of(track.sightings[0])
    assert heat is not None and heat[:, :24].min() > 0.8 and heat[:, 40:].max() < 0.1
    assert boxes_at(inspection, 30.0) == {}  # long after the last frame
    between = boxes_at(inspection, 0.5)[1]
    assert abs(between.center[0] - track.sightings[1].finding.box.center[0]) < 0.05 * between.size


def test_few_frames_are_judged_like_pictures_and_it_is_said(clip: Path) -> None:
    inspection = inspected(clip, 0.9, max_frames=2)
    assert inspection.frames == 2 and inspection.verdict is Verdict.MANIPULATED and inspection.score == pytest.approx(0.9)
    assert "2 frames only, so judged like a picture" in inspection.reasons[0]
    raised = inspected(clip, 0.5, max_frames=2)
    assert raised.verdict is Verdict.INCONCLUSIVE and raised.score == pytest.approx(0.5)


def test_an_inspection_is_plain_data(clip: Path) -> None:
    inspection = inspected(clip, 0.1, 0.7, every=0.4)
    again = pickle.loads(pickle.dumps(inspection))
    assert again.tracks == inspection.tracks and again.reasons == inspection.reasons
    assert boxes_at(again, 0.5) == boxes_at(inspection, 0.5) != {}
    assert np.array_equal(again.highest[0].image, inspection.highest[0].image)
    assert np.array_equal(again.pictures[1].mask, inspection.pictures[1].mask)


def test_frames_of_a_maximum_are_spread_over_the_part(clip: Path) -> None:
    inspection = inspected(clip, every=0.04, max_frames=4)
    assert [seen.seconds for seen in inspection.tracks[0].sightings] == pytest.approx([0, 0.52, 1.0, 1.52], abs=0.05)
    part = inspected(clip, start=0.4, end=1.2, every=0.2)
    assert (part.first, part.last) == (pytest.approx(0.4), pytest.approx(1.0))
    assert any("only the part between second 0.4 and second 1.2 was inspected" in reason for reason in part.reasons)


def test_no_face_is_inconclusive(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", clips.empty_clip(20), 10, codec="libx264", crf=30)
    inspection = inspected(tmp_path / "a.mp4")
    assert inspection.verdict is Verdict.INCONCLUSIVE and "no face was found in 10 frames" in inspection.reasons[0]


def judge_track(sightings: Sequence[Sighting], rule: VideoRule) -> FaceTrack:
    (track,) = judge_tracks({1: sightings}, rule)
    return track


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [([0.6] * 3, "manipulated"), ([0.59] * 3, "inconclusive"), ([0.39] * 3, "no_evidence"), ([0.9] * 2, "inconclusive")],
)
def test_a_tracks_score_decides_at_the_rules_thresholds(scores: list[float], verdict: str) -> None:
    findings = [FaceFinding(box(), Verdict.NO_EVIDENCE, score, 0.1, ("a reason",)) for score in scores]
    seen = [Sighting(k, k, finding) for k, finding in enumerate(findings)]
    track = judge_track(seen, RULE)
    assert track.verdict == verdict
    assert ("authentic" in track.reasons[0]) == (verdict == "no_evidence")


@pytest.mark.parametrize(("poor", "verdict"), [(2, "no_evidence"), (3, "inconclusive")])
def test_a_face_that_most_frames_show_too_badly_is_inconclusive(poor: int, verdict: str) -> None:
    blurred = FaceFinding(box(), Verdict.INCONCLUSIVE, 0.1, 0.1, ("it is blurred",), too_poor=True)
    raised = FaceFinding(box(), Verdict.INCONCLUSIVE, 0.1, 0.1, ("the score is raised",))  # says nothing about the picture
    seen = [Sighting(k, k, raised if k >= poor else blurred) for k in range(5)]
    track = judge_track(seen, RULE)
    said = "3 of 5 frames are too poor, as at second 0.0: it is blurred"
    assert track.verdict == verdict and (said in track.reasons[0]) == (poor == 3)


def sightings(*scores: float | None, poor: bool = False) -> list[Sighting]:
    """Frames judged like pictures at the thresholds 0.6 and 0.4."""
    found = []
    for score in scores:
        calm = Verdict.INCONCLUSIVE if poor or score is None or score >= 0.4 else Verdict.NO_EVIDENCE
        verdict = Verdict.MANIPULATED if (score or 0) >= 0.6 else calm
        found.append(FaceFinding(box(), verdict, score, 0.1, ("why",), too_poor=poor))
    return [Sighting(k, k, finding) for k, finding in enumerate(found)]


def test_no_judged_frame_is_without_influence() -> None:
    calm = sightings(*[0.1] * 6)
    for short, verdict in ((sightings(0.5), "inconclusive"), (sightings(0.8, 0.1), "manipulated")):
        tracks = judge_tracks({1: calm, 2: short}, RULE)
        assert [track.verdict for track in tracks] == ["no_evidence", verdict]
        assert video_verdict(tracks, 7, True)[0] == verdict
    for short in (sightings(0.2, poor=True), sightings(None)):
        found, reasons = video_verdict(judge_tracks({1: calm, 2: short}, RULE), 7, True)
        assert found is Verdict.NO_EVIDENCE and "1 of 2 faces could not be judged" in reasons[1]


def test_a_forgery_in_a_part_of_a_face_s_time_is_not_drowned() -> None:
    def verdict(*scores: float) -> str:
        return judge_track(sightings(*scores), RULE).verdict

    calm = [0.1] * 10
    assert verdict(*calm, 0.7, 0.8, 0.7, *calm) is Verdict.INCONCLUSIVE
    assert "second 10.0 to 12.0 by itself reaches 0.700" in judge_track(sightings(*calm, 0.7, 0.8, 0.7), RULE).reasons[0]
    assert verdict(*calm, 0.7, 0.8, *calm, 0.7, *calm) is Verdict.NO_EVIDENCE  # not three in a row
    assert verdict(*calm, 0.5, 0.5, 0.5, *calm) is Verdict.NO_EVIDENCE  # by itself it would be inconclusive
    quick = [replace(seen, seconds=seen.seconds / 25) for seen in sightings(*calm, 0.7, 0.8, 0.7, *calm)]
    assert judge_track(quick, RULE).verdict is Verdict.NO_EVIDENCE  # a tenth of a second


def test_a_face_cut_into_pieces_is_judged_as_a_whole() -> None:
    def confirm(number: int, sighting: Sighting) -> FaceFinding:
        """No piece survives mild re-encodes."""
        return replace(sighting.finding, verdict=Verdict.INCONCLUSIVE)

    pieces = {number: sightings(0.7) for number in range(1, 5)} | {5: sightings(0.2)}
    tracks = judge_tracks(pieces, RULE, confirm)
    assert [track.verdict for track in tracks] == ["manipulated"] * 4 + ["no_evidence"]
    assert "5 faces that are seen in fewer than 3 frames reach 0.700 together" in tracks[0].reasons[0]
    alone = judge_tracks({1: sightings(0.7), 2: sightings(0.2), 3: sightings(0.2)}, RULE, confirm)
    assert alone[0].verdict is Verdict.INCONCLUSIVE


def test_a_rule_that_nobody_knows_is_refused_by_name() -> None:
    class Model:
        name, video_rule = "theirs 123", VideoRule("best guess", 0.5, 0.4)

    with pytest.raises(ModelError, match=r"theirs 123.*best guess.*median"):
        rule_of(Model())


def test_a_part_is_judged_from_its_start_to_its_end(clip: Path) -> None:
    """Whole steps are counted from where the part begins, so that as many frames as asked for reach its end."""
    sampler = VideoSampler(clip, every=0.32, start=0.6, end=1.7)
    assert [frame.seconds for frame in sampler] == pytest.approx([0.6, 0.92, 1.24, 1.56], abs=1e-3)
    inspection = inspected(clip, start=0.6, end=1.8, max_frames=3)
    assert [seen.seconds for seen in inspection.tracks[0].sightings] == pytest.approx([0.6, 1.0, 1.4], abs=1e-3)
    assert any("between second 0.6 and second 1.8" in reason for reason in inspection.reasons)


def test_aggregations_stay_within_the_scores_and_grow_with_them() -> None:
    scores = np.array([0.1, 0.2, 0.9, 0.4, 0.3], np.float32)
    for name, aggregate in AGGREGATIONS.items():
        assert 0.1 <= aggregate(scores) <= 0.9 + 1e-6, name
        assert aggregate(scores + 0.05) == pytest.approx(aggregate(scores) + 0.05), name
        assert aggregate(scores[:1]) == pytest.approx(0.1), name


def test_a_predictor_without_a_rule_gets_the_default_with_its_own_thresholds() -> None:
    rule = rule_of(FakePredictor(0.1))
    assert (rule.score_threshold, rule.doubt_threshold) == (0.6, 0.4)


def test_tracks_number_their_detections_and_end_at_a_cut() -> None:
    tracks = FaceTracks(stride=1)
    assert tracks.add(0, [box(100), box(200)]) == [0, 1]
    assert tracks.add(1, [box(202), box(101)]) == [1, 0]
    tracks.cut()
    assert tracks.add(2, [box(101)]) == [2]


# ---------------------------------------------------------------------------------------------------------------- bad input


def test_a_crowd_is_judged_in_part_and_said(tmp_path: Path) -> None:
    crowd = [box(3 * k, 2 * k, 60 - k / 4) for k in range(40)]
    still = tmp_path / "a.mp4"  # so that what lies in each of these places stays the same
    write_video(still, [clips.face_picture()] * 50, 25, codec="libx264", crf=18)
    inspection = inspected(still, detector=lambda image: crowd, every=0.5)
    assert {len(t.sightings) for t in inspection.tracks} == {4} and len(inspection.tracks) == 10
    assert any("up to 40 faces are in a frame; only the 10 largest" in reason for reason in inspection.reasons)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_truncated_video_is_inspected_as_far_as_it_goes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write_video(path, clips.face_clip(50), 25, codec="libx264", crf=18)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    inspection = inspected(path, 0.1, every=0.2)
    assert not inspection.complete and inspection.verdict is Verdict.INCONCLUSIVE
    assert 3 <= inspection.frames < 10 and inspection.last < 1.8
    assert any("damaged" in reason and "not inspected" in reason for reason in inspection.reasons)
    assert inspected(path, 0.9, every=0.2).verdict is Verdict.MANIPULATED


def test_a_video_damaged_in_its_middle_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_video(path, clips.face_clip(60), 10, codec="mjpeg", pix_fmt="yuvj420p", crf=3)
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 6000] = np.random.default_rng(0).integers(0, 256, 6000, np.uint8).tobytes()
    path.write_bytes(data)
    inspection = inspected(path, 0.1, every=0.5)
    assert inspection.last > 5 and inspection.tracks


@pytest.mark.parametrize("keep", [100, 400])
def test_a_video_without_its_index_is_refused_in_one_line(clip: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(clip.read_bytes()[:keep])
    with pytest.raises(MediaError, match=r"a\.mp4: "):
        inspected(path)


def test_no_frames_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    with pytest.raises(MediaError, match=r"no readable frame|cut off, broken"):
        inspected(path)


def test_sound_only(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        block.sample_rate = 44100
        container.mux(stream.encode(block))
        container.mux(stream.encode())
    with pytest.raises(UnsupportedMedia, match="has audio but no moving picture"):
        inspected(path)


def test_one_pixel_and_one_frame(tmp_path: Path) -> None:
    pixel = tmp_path / "pixel.mkv"
    write_video(pixel, [np.full((1, 1, 3), 9, np.uint8)] * 10, 10)
    assert inspected(pixel).verdict is Verdict.INCONCLUSIVE
    single = tmp_path / "single.mp4"
    write_video(single, clips.face_clip(1), 25, codec="libx264", crf=18)
    assert "1 frame only, so judged like a picture" in inspected(single, 0.9).reasons[0]


def test_a_picture_size_that_changes_midway(tmp_path: Path) -> None:
    for name, size in (("a", (320, 240)), ("b", (480, 360))):
        write_video(tmp_path / f"{name}.h264", clips.face_clip(20, *size), 10, codec="libx264", crf=18)
    path = tmp_path / "joined.h264"
    path.write_bytes((tmp_path / "a.h264").read_bytes() + (tmp_path / "b.h264").read_bytes())
    inspection = inspected(path, every=0.2)
    assert any("size changes from 320x240 to 480x360" in reason for reason in inspection.reasons)
    assert len(inspection.tracks) == 2 and inspection.complete
    assert inspection.tracks[1].sightings[0].finding.box.size > 1.3 * inspection.tracks[0].sightings[0].finding.box.size


def test_timestamps_that_go_back_are_said_and_the_rest_is_read(tmp_path: Path) -> None:
    write_video(tmp_path / "a.ts", clips.face_clip(20), 10, codec="libx264", crf=18)
    data = (tmp_path / "a.ts").read_bytes()
    path = tmp_path / "twice.ts"
    path.write_bytes(data + data)
    sampler = VideoSampler(path)
    seconds = [frame.seconds for frame in sampler]
    assert len(seconds) >= 38 and all(math.isfinite(s) for s in seconds) and np.all(np.diff(seconds) > 0)
    assert any("timestamps go back" in note for note in sampler.notes)
    assert any("timestamps go back" in reason for reason in inspected(path, every=0.2).reasons)


# ------------------------------------------------------------------------------------------------------------- every frame


def shown(image) -> list[FaceBox]:
    """A detector that finds one face wherever something is to be seen."""
    return [box()] if image.std() > 20 else []


@pytest.mark.parametrize("hidden", [1, 3])
def test_pictures_put_in_at_every_turn_hide_no_face(tmp_path: Path, hidden: int) -> None:
    """One grey picture a second, where a frame a second is judged: "no face was found in 4 frames", it was said."""
    images, empty = list(clips.face_clip(100)), next(clips.empty_clip(1))
    images = [empty if (number + hidden // 2) % 25 < hidden else image for number, image in enumerate(images)]
    path = clips.write_clip(tmp_path / "a.mp4", iter(images), np.arange(100) / 25)
    inspection = inspected(path, every=1.0, detector=shown)
    (track,) = inspection.tracks
    assert [int(seen.seconds) for seen in track.sightings] == [0, 1, 2, 3]
    assert inspected(path, every=1.0, max_frames=4, detector=shown).tracks == inspection.tracks


def test_a_face_that_comes_and_goes_between_two_turns_is_judged_if_it_is_seen_twice(tmp_path: Path) -> None:
    for length, judged in ((14, 1), (6, 0)):
        images, empty = list(clips.face_clip(50)), next(clips.empty_clip(1))
        images = [image if 30 <= number < 30 + length else empty for number, image in enumerate(images)]
        path = clips.write_clip(tmp_path / "a.mp4", iter(images), np.arange(50) / 25)
        tracks = inspected(path, every=1.0, detector=shown).tracks
        assert [len(track.sightings) for track in tracks] == [1] * judged, length


def test_a_face_in_a_flash_is_judged_once_more(tmp_path: Path) -> None:
    images = clips.with_flashes(clips.face_clip(60), 1, every=25)  # at frames 6, 31 and 56
    path = clips.write_clip(tmp_path / "a.mp4", images, np.arange(60) / 25)
    (track,) = inspected(path, every=1.0, start=0.24, detector=shown).tracks
    assert [round(seen.seconds, 2) for seen in track.sightings] == [0.24, 0.52, 1.24, 1.52, 2.24]


def test_every_frame_is_judged(tmp_path: Path) -> None:
    times = [0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.32]
    path = clips.write_clip(tmp_path / "a.mp4", clips.face_clip(7), times)
    inspection = inspected(path, 0.1, 0.1, 0.9, 0.1, every=0.0)
    (track,) = inspection.tracks
    assert [round(seen.seconds, 2) for seen in track.sightings] == times and inspection.frames == 7
    assert inspection.every == pytest.approx(0.32 / 6, abs=1e-3) and spans(inspection) == [(0.0, 0.32)]
    assert [tuple(round(end, 2) for end in span) for span in track.raised] == [(0.08, 0.08)]


def test_a_face_that_is_missed_for_a_while_is_the_same_one_in_every_frame(tmp_path: Path) -> None:
    """Half a second without a detection: not a new face, as it would not be where a frame a second is judged."""
    path = clips.write_clip(tmp_path / "a.mp4", clips.face_clip(40), np.arange(40) / 25)
    detector, seen = detector_for("video"), []

    def blinking(image):
        seen.append(image.shape)
        return [] if 10 <= len(seen) < 22 else detector(image)

    (track,) = inspected(path, every=0.0, detector=blinking).tracks
    assert len(track.sightings) == 28


def test_working_ahead_changes_nothing(tmp_path: Path) -> None:
    path = clips.write_clip(tmp_path / "a.mp4", clips.face_clip(30), np.arange(30) / 25)
    for options in ({"every": 0.0}, {"every": 0.04, "max_frames": 9}, {"end": 0.5}):
        alone, ahead = (inspected(path, 0.1, 0.7, 0.2, threads=threads, **options) for threads in (1, 2))
        assert (alone.reasons, alone.decoded, alone.frames) == (ahead.reasons, ahead.decoded, ahead.frames)
        seen = [[(one.index, one.finding.score, one.finding.box.x0) for one in of.tracks[0].sightings] for of in (alone, ahead)]
        assert seen[0] == seen[1] and len(seen[0]) == alone.frames


def test_more_faces_than_are_kept_end_the_inspection(tmp_path: Path, monkeypatch) -> None:
    path = clips.write_clip(tmp_path / "a.mp4", clips.face_clip(20), np.arange(20) / 10)
    monkeypatch.setattr(video, "MAX_SIGHTINGS", 5)
    inspection = inspected(path, 0.1, every=0.0)
    assert inspection.frames == 5 and inspection.verdict is Verdict.INCONCLUSIVE and not inspection.complete
    assert any("ended after 5 judged faces" in reason and "--from 0.50" in reason for reason in inspection.reasons)
    monkeypatch.setattr(video, "MAX_SIGHTINGS", 20)
    assert inspected(path, 0.1, every=0.0).complete


def test_a_long_timeline_keeps_its_peaks() -> None:
    """Of a curve of more points than the picture has room for, the highest and the lowest of each column are drawn."""
    points = [(52 + 896 * place / 90_000, 0.1) for place in range(90_000)]
    points[44_444] = (points[44_444][0], 0.97)
    thinned = timeline._thinned(points)
    assert len(thinned) < 2000 and points[44_444] in thinned and points[0] in thinned
    assert timeline._thinned(points[:100]) == points[:100]
