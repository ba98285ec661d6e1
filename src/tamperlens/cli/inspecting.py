"""Commands on photos and videos: inspect."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from tamperlens.cli.console import NOT_INSPECTED, app, complain_of, make_folder, out, stems_of
from tamperlens.errors import TamperlensError

if TYPE_CHECKING:
    from tamperlens.types import FaceFinding, FaceTrack, Inspection, VideoInspection

STYLES = {"manipulated": "bold red", "no_evidence": "blue", "inconclusive": "yellow"}


@app.command()
def inspect(
    paths: Annotated[list[Path], typer.Argument(help="Photos, videos and animated pictures, told apart by their content.")],
    model: Annotated[str, typer.Option(help="A shipped model's name, or an .onnx or .safetensors file.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file, one per line.")] = False,
    folder: Annotated[Path | None, typer.Option("--out", help="Write overlay, pixel map and mask of each photo here.")] = None,
    every: Annotated[
        float,
        typer.Option(min=0, help="Of videos, judge a frame every so many seconds; 0: every second, more often in short ones."),
    ] = 0,
    start: Annotated[float, typer.Option("--from", min=0, help="Of videos, begin at this second.")] = 0,
    end: Annotated[float, typer.Option("--to", min=0, help="Of videos, end before this second; 0: at their end.")] = 0,
    max_frames: Annotated[
        int, typer.Option(min=0, help="Of each video, judge at most so many frames, evenly spread; 0: any.")
    ] = 0,
) -> None:
    """Say for each file, and each face in it, whether it was manipulated, and where.

    Exit code 0: every file was inspected, whatever the verdicts. 1: some file could not be inspected (the others were).
    2: the call itself could not be carried out.
    """
    from tamperlens.faces import DETECTORS, VIDEO_SCALES, YuNet
    from tamperlens.inspection import inspect_photo
    from tamperlens.media import moves
    from tamperlens.report import failure_record, inspection_record, video_record, write_pictures
    from tamperlens.runtime import DEFAULT_MODEL, load
    from tamperlens.types import Inspection
    from tamperlens.video_inspection import inspect_video

    if end and end <= start:
        raise typer.BadParameter(f"--to must lie after --from; got {start:g} and {end:g}", param_hint="--to")
    predictor, detector, in_videos = load(model or DEFAULT_MODEL), DETECTORS["yunet"](), YuNet(scales=VIDEO_SCALES)
    make_folder(folder)
    stems = stems_of(paths)
    failed = False
    for path in paths:
        try:
            inspection: Inspection | VideoInspection
            if moves(path):
                inspection = inspect_video(
                    path,
                    in_videos,
                    predictor,
                    every=every or None,
                    start=start,
                    end=end or math.inf,
                    max_frames=max_frames or None,
                )
            else:
                inspection = inspect_photo(path, detector, predictor)
        except (TamperlensError, OSError, MemoryError) as error:
            failed = True
            reason = complain_of(path, error)
            if as_json:
                print(json.dumps(failure_record(str(path), reason)), flush=True)
            continue
        photo = inspection if isinstance(inspection, Inspection) else None
        if as_json:
            record = inspection_record(inspection) if isinstance(inspection, Inspection) else video_record(inspection)
            print(json.dumps(record), flush=True)
        else:
            _print_inspection(inspection)
        if folder is not None and photo is not None:
            try:
                write_pictures(photo, folder, stems[path])
            except OSError as error:
                failed = True
                complain_of(path, error)
    if not as_json:
        kind = "calibrated" if predictor.calibrated else "uncalibrated"
        out.print(f"\nModel {predictor.name}; scores are {kind}. A verdict is evidence, not proof. Known limits:", style="dim")
        for limit in predictor.limits:
            out.print(f"  - {limit}", style="dim", markup=False)
    if failed:
        raise typer.Exit(NOT_INSPECTED)


def _print_inspection(inspection: "Inspection | VideoInspection") -> None:
    from tamperlens.types import Inspection

    verdict = inspection.verdict.value
    out.print(f"{inspection.path}: ", end="", markup=False)
    out.print(verdict.replace("_", " "), style=STYLES[verdict])
    for reason in inspection.reasons:
        out.print(f"  {reason}", markup=False)
    if isinstance(inspection, Inspection):
        rows = [_photo_row(number, face) for number, face in enumerate(inspection.faces, 1)]
        headings = ("face", "box x0 y0 x1 y1", "score", "marked", "verdict")
    else:
        rows = [_video_row(track) for track in inspection.tracks]
        headings = ("face", "seconds", "frames", "score", "verdict")
    if rows:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for heading in headings:
            table.add_column(heading, justify="left" if heading == "verdict" else "right")
        for row in rows:
            table.add_row(*row)
        out.print(table)


def _photo_row(number: int, face: "FaceFinding") -> tuple[str, ...]:
    box = " ".join(f"{value:.0f}" for value in (face.box.x0, face.box.y0, face.box.x1, face.box.y1))
    area = "-" if face.mask_area is None else f"{face.mask_area:.1%}"
    return str(number), box, _score(face.score), area, _styled(face.verdict)


def _video_row(track: "FaceTrack") -> tuple[str, ...]:
    span = f"{track.sightings[0].seconds:.1f} to {track.sightings[-1].seconds:.1f}"
    return str(track.number), span, str(len(track.sightings)), _score(track.score), _styled(track.verdict)


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def _styled(verdict: str) -> str:
    return f"[{STYLES[verdict]}]{verdict.replace('_', ' ')}[/]"
