"""How faces of few frames are judged, on real clips and on the same clips forged: pieces of 1 and 2 frames, and all together.

    python benchmarks/pieces.py CLIPS... [--frames 10] [--families self_blend resynthesis] [--model NAME]

CLIPS are real videos of one person each, or folders of them. Of each, so many frames are scored; then they are judged as if
every frame, or every two, were a face of its own, and as one face.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tamperlens.faces import detector_for
from tamperlens.forge.whole import forge_face
from tamperlens.inspection.photo import check_stability, inspect_faces
from tamperlens.inspection.verdict import judge_tracks, rule_of, video_verdict
from tamperlens.media import VideoSampler, moving_length
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.types import FaceInspection, Frame, Predictor, Sighting, Verdict

REAL = "as it is"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=10, help="of each clip")
    parser.add_argument("--families", nargs="*", default=["self_blend", "resynthesis"])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    arguments = parser.parse_args()
    predictor = load(arguments.model)
    files = [file for path in arguments.clips for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    clips = [file for file in files if file.suffix in (".mp4", ".mpg", ".mov", ".mkv", ".webm")]
    print(
        "| clips | judged as | faces manipulated | inconclusive | no evidence "
        "| clips manipulated | inconclusive | no evidence |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for kind in (REAL, *arguments.families):
        scored = [list(score(file, kind, arguments.frames, predictor)) for file in clips]
        for length in (1, 2, arguments.frames):
            faces: Counter[Verdict] = Counter()
            whole: Counter[Verdict] = Counter()
            for frames in scored:
                verdicts, verdict = judge(frames, length, predictor)
                faces.update(verdicts)
                whole[verdict] += 1
            cells = [count[verdict] for count in (faces, whole) for verdict in Verdict]
            words = "one face" if length == arguments.frames else f"faces of {length} frame{'s' if length > 1 else ''}"
            shown = (cells[0], cells[2], cells[1], cells[3], cells[5], cells[4])
            print(f"| {len(scored)} {kind} | {words} | {' | '.join(map(str, shown))} |", flush=True)


def score(file: Path, kind: str, count: int, predictor: Predictor) -> Iterator[tuple[Frame, FaceInspection]]:
    """The largest face of some frames of a clip, forged where ``kind`` is a family."""
    detector = detector_for("video")
    for number, frame in enumerate(VideoSampler(file, every=max(0.1, moving_length(file) / count))):
        faces = detector(frame.image)[:1]
        if number == count or not faces:
            continue
        image = frame.image if kind == REAL else forge_face(frame.image, faces[0], kind, 7).image
        (face,) = inspect_faces(Frame(image, frame.index, frame.seconds), faces, predictor)
        if face.picture is not None:
            yield frame, face


def judge(frames: Sequence[tuple[Frame, FaceInspection]], length: int, predictor: Predictor) -> tuple[list[Verdict], Verdict]:
    """The verdicts on faces of ``length`` frames each, and on the file."""
    found = {id(face.finding): face for _, face in frames}
    sightings = [Sighting(frame.seconds, frame.index, face.finding) for frame, face in frames]
    pieces = {1 + start // length: sightings[start : start + length] for start in range(0, len(sightings), length)}
    tracks = judge_tracks(
        pieces, rule_of(predictor), lambda _, sighting: check_stability(found[id(sighting.finding)], predictor)
    )
    return [track.verdict for track in tracks], video_verdict(tracks, len(sightings), True)[0]


if __name__ == "__main__":
    main()
