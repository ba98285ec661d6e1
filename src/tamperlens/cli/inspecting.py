"""Commands on photos and videos: inspect."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from tamperlens.cli.console import NOT_INSPECTED, app, complain_of, make_folder, out, stems_of
from tamperlens.errors import TamperlensError

if TYPE_CHECKING:
    from tamperlens.types import Inspection

STYLES = {"manipulated": "bold red", "no_evidence": "blue", "inconclusive": "yellow"}


@app.command()
def inspect(
    paths: Annotated[list[Path], typer.Argument(help="Photos: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, HEIC.")],
    model: Annotated[str, typer.Option(help="A shipped model's name, or an .onnx or .safetensors file.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file, one per line.")] = False,
    folder: Annotated[Path | None, typer.Option("--out", help="Write overlay, pixel map and mask of each photo here.")] = None,
) -> None:
    """Say for each photo, and each face in it, whether it was manipulated, and where.

    Exit code 0: every file was inspected, whatever the verdicts. 1: some file could not be inspected (the others were).
    2: the call itself could not be carried out.
    """
    from tamperlens.faces import DETECTORS
    from tamperlens.inspection import inspect_photo
    from tamperlens.report import failure_record, inspection_record, write_pictures
    from tamperlens.runtime import DEFAULT_MODEL, load

    predictor, detector = load(model or DEFAULT_MODEL), DETECTORS["yunet"]()
    make_folder(folder)
    stems = stems_of(paths)
    failed = False
    for path in paths:
        try:
            inspection = inspect_photo(path, detector, predictor)
        except (TamperlensError, OSError, MemoryError) as error:
            failed = True
            reason = complain_of(path, error)
            if as_json:
                print(json.dumps(failure_record(str(path), reason)), flush=True)
            continue
        if as_json:
            print(json.dumps(inspection_record(inspection)), flush=True)
        else:
            _print_inspection(inspection)
        if folder is not None:
            try:
                write_pictures(inspection, folder, stems[path])
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


def _print_inspection(inspection: "Inspection") -> None:
    verdict = inspection.verdict.value
    out.print(f"{inspection.path}: ", end="", markup=False)
    out.print(verdict.replace("_", " "), style=STYLES[verdict])
    for reason in inspection.reasons:
        out.print(f"  {reason}", markup=False)
    if not inspection.faces:
        return
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("face", "box x0 y0 x1 y1", "score", "marked", "verdict"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for number, face in enumerate(inspection.faces, 1):
        box = " ".join(f"{value:.0f}" for value in (face.box.x0, face.box.y0, face.box.x1, face.box.y1))
        score = "-" if face.score is None else f"{face.score:.3f}"
        area = "-" if face.mask_area is None else f"{face.mask_area:.1%}"
        style = STYLES[face.verdict.value]
        table.add_row(str(number), box, score, area, f"[{style}]{face.verdict.value.replace('_', ' ')}[/]")
    out.print(table)
