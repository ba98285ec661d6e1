"""Commands on photos and videos: inspect, schema, verify."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from tamperlens.cli.console import (
    NOT_INSPECTED,
    Detector,
    Model,
    Precision,
    Runtime,
    app,
    complain,
    errors,
    make_folder,
    out,
    progress_bar,
)
from tamperlens.errors import DataError
from tamperlens.files import spelled_out

if TYPE_CHECKING:
    from tamperlens.inspection.batch import FalseAlarms, Row, Summary
    from tamperlens.inspection.casefile.record import Face, PhotoRecord, Track, VideoRecord
    from tamperlens.inspection.examiner import Examiner

STYLES = {"manipulated": "bold red", "no_evidence": "blue", "inconclusive": "yellow"}


@app.command()
def inspect(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS",
            help="Photos, videos and animated pictures; folders of them; patterns as 'a/*.jpg'; addresses as s3://bucket/a.",
        ),
    ],
    model: Model = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file, one per line.")] = False,
    out_folder: Annotated[
        str,
        typer.Option(
            "--out",
            help="Write each file's report, record, pictures and annotated video into this folder, or at an address as "
            "s3://bucket/found; resumes what is there.",
        ),
    ] = "",
    every: Annotated[
        float,
        typer.Option(min=0, help="Of videos, judge a frame every so many seconds; 0: each second, more often in short ones."),
    ] = 0,
    every_frame: Annotated[
        bool, typer.Option("--every-frame", help="Of videos, judge every frame: slower, and no moment is passed over.")
    ] = False,
    start: Annotated[float, typer.Option("--from", min=0, help="Of videos, begin at this second.")] = 0,
    end: Annotated[float, typer.Option("--to", min=0, help="Of videos, end before this second; 0: at their end.")] = 0,
    max_frames: Annotated[
        int, typer.Option(min=0, help="Of a video, judge at most so many moments, evenly spread; 0: any.")
    ] = 0,
    annotated: Annotated[bool, typer.Option(help="With --out, write videos anew with what was found.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes; more than one for many files.")] = 1,
    runtime: Runtime = "auto",
    precision: Precision = "float32",
    threads: Annotated[
        int,
        typer.Option(min=0, help="Threads for decoding and for the model; 0: as many as pay. With --workers: 1."),
    ] = 0,
    shard: Annotated[
        str, typer.Option(help="Only the i-th of n shares of the files, as 1/4; with --out. The last to end writes the index.")
    ] = "",
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster, or 'local'. Needs the extra 'cluster'.")] = "",
    detector: Detector = "",
) -> None:
    """Say for each file, and each face in it, whether it was manipulated, and where.

    Exit code 0: every file was inspected, whatever the verdicts. 1: some file could not be inspected (the others were), or
    some result could not be written (verdicts are printed all the same). 2: the call itself could not be carried out.
    """
    from tamperlens.inspection.batch import Row, examine_all, expected_false_alarms, row_of, tidy, write_summary
    from tamperlens.inspection.casefile.record import FailureRecord, Settings, dump
    from tamperlens.inspection.casefile.writing import casefile_stems
    from tamperlens.inspection.examiner import Examiner
    from tamperlens.inspection.search import find_files
    from tamperlens.inspection.shards import Shard, batch_hash, gather_rows, leave_rows
    from tamperlens.media import Address, Results, place_of

    if end and end <= start:
        raise DataError(f"--to must lie after --from; got --from {start:g} --to {end:g}")
    if every_frame and (every or max_frames):
        raise DataError("--every-frame judges all frames; give it without --every and --max-frames")
    own, folder = Shard.of(shard), place_of(out_folder) if out_folder else None
    if own.count > 1 and folder is None:
        raise DataError("--shard needs --out, a folder or address that all shards share; got none")
    if isinstance(folder, Address):
        Results(folder).check()
    elif folder is not None:
        make_folder(folder)
        tidy(folder)
    settings = Settings(
        model=model,
        every=0.0 if every_frame else every or None,
        start=start,
        end=end or None,
        max_frames=max_frames or None,
        detector=detector,
        runtime=runtime,
        precision=precision,
    )
    examiner = Examiner(settings, folder, annotated=annotated, threads=threads)
    found = find_files([place_of(source) for source in sources], folder)
    for sentence in found.sentences():
        errors.print(spelled_out(sentence), markup=False)
    stems = casefile_stems(found.files, folder if isinstance(folder, Path) else None)
    paths = own.share(found.files)
    rows: list[Row] = []
    unwritten, summary, missing = False, None, list[Shard]()
    try:
        with progress_bar(errors.is_terminal) as bar:
            task = bar.add_task("inspecting", total=len(paths))
            examiner.progress = lambda seconds: bar.update(task, description=f"inspecting, second {seconds:.0f}")
            for _, record in examine_all(examiner, [(path, stems[path]) for path in paths], workers, ray):
                rows.append(row_of(record))
                bar.advance(task)
                if isinstance(record, FailureRecord):
                    complain(record.error if record.path in record.error else f"{record.path}: {record.error}")
                else:
                    unwritten = unwritten or bool(record.not_written)
                if as_json:
                    print(json.dumps(dump(record)), flush=True)
                elif not isinstance(record, FailureRecord):
                    _print_record(record)
    finally:  # a batch that is stopped has an index of what was reached, too
        alarms = expected_false_alarms(rows, examiner.setup)
        if folder is not None and (len(paths) > 1 or found.left_out) and own.count == 1:
            summary = write_summary(rows, alarms, folder, len(paths) - len(rows), found.left_out)
            _complain_of_lost(summary)
    if folder is not None and own.count > 1:
        batch = batch_hash(found.files, examiner.predictor.name, settings)
        leave_rows(folder, own, batch, rows)
        all_rows, missing = gather_rows(folder, own, batch)
        if not missing:
            alarms_of_all = expected_false_alarms(all_rows, examiner.setup)
            summary = write_summary(all_rows, alarms_of_all, folder, left_out=found.left_out)
            _complain_of_lost(summary)
    if not as_json:
        _print_footer(examiner, rows, alarms, summary)
        if missing:
            out.print(f"Index: written by the last shard to end; missing: {', '.join(map(str, missing))}")
    if unwritten or (summary and summary.lost) or any(row.kind == "failure" for row in rows):
        raise typer.Exit(NOT_INSPECTED)


def _complain_of_lost(summary: "Summary") -> None:
    for lost in summary.lost:
        complain(lost)


def _print_record(record: "PhotoRecord | VideoRecord") -> None:
    out.print(f"{spelled_out(record.path)}: ", end="", markup=False)
    out.print(record.verdict.replace("_", " "), style=STYLES[record.verdict])
    for reason in record.reasons:
        out.print(f"  {spelled_out(reason)}", markup=False)
    if record.kind == "photo":
        rows = [_photo_row(number, face) for number, face in enumerate(record.faces, 1)]
        headings = ("face", "box x0 y0 x1 y1", "score", "marked", "verdict")
    else:
        rows = [_video_row(track) for track in record.tracks]
        headings = ("face", "seconds", "frames", "score", "verdict")
    if rows:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for heading in headings:
            table.add_column(heading, justify="left" if heading == "verdict" else "right")
        for row in rows:
            table.add_row(*row)
        out.print(table)


def _photo_row(number: int, face: "Face") -> tuple[str, ...]:
    box = " ".join(f"{value:.0f}" for value in face.box)
    area = "-" if face.mask_area is None else f"{face.mask_area:.1%}"
    return str(number), box, _score(face.score), area, _styled(face.verdict)


def _video_row(track: "Track") -> tuple[str, ...]:
    return (
        str(track.face),
        f"{track.first:.1f} to {track.last:.1f}",
        str(len(track.frames)),
        _score(track.score),
        _styled(track.verdict),
    )


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def _styled(verdict: str) -> str:
    return f"[{STYLES[verdict]}]{verdict.replace('_', ' ')}[/]"


def _print_footer(
    examiner: "Examiner", rows: "list[Row]", alarms: "list[FalseAlarms]", summary: "Summary | None" = None
) -> None:
    from tamperlens.inspection.casefile.words import alarms_in_words

    if len(rows) > 1:
        counts = {name: sum(row.verdict == name for row in rows) for name in STYLES}
        told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        out.print(f"\n{len(rows)} files: {told}")
    for alarm in alarms:
        if len(rows) > 1 or (alarm.rates.faces or 0) > 1:
            out.print(alarms_in_words(alarm.rates, alarm.where), markup=False)
    if summary and summary.index:
        other = " (files of the usual names are not this program's and were left alone)" if summary.renamed else ""
        out.print(f"Index: {spelled_out(str(summary.index))}{other}", markup=False)
    predictor = examiner.predictor
    kind = "calibrated" if predictor.calibrated else "uncalibrated"
    engine = f" ({examiner.setup.engine})" if examiner.setup.engine else ""
    said = f"Model {predictor.name}{engine}; scores are {kind}. A verdict is evidence, not proof. Known limits:"
    out.print(f"\n{said}", style="dim")
    for limit in predictor.limits:
        out.print(f"  - {limit}", style="dim", markup=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema that every record follows."""
    from tamperlens.inspection.casefile.record import json_schema

    print(json.dumps(json_schema(), indent=2))


@app.command()
def verify(
    report: Annotated[Path, typer.Argument(metavar="REPORT.json", help="A record that inspect --out or --json wrote.")],
    file: Annotated[Path | None, typer.Option(help="Where the inspected file lies now, if not where it was.")] = None,
    full: Annotated[bool, typer.Option("--all", help="Print every figure, also those that hold.")] = False,
) -> None:
    """Inspect a record's file again and say whether every figure still holds.

    Exit code 0: all hold. 1: some do not. 2: the record, its file or its model cannot be read.
    """
    from tamperlens.inspection.casefile.record import FailureRecord, parse_record
    from tamperlens.inspection.verify import verify as compute

    try:
        record = parse_record(report.read_bytes())
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{report} is not a record of tamperlens ({reason}); give the .json file beside a report") from error
    if isinstance(record, FailureRecord):
        raise DataError(f"{report} says that its file could not be inspected ({record.error}); there is nothing to verify")
    checks = compute(record, file)
    for check in checks:
        if full or not check.holds:
            words = "holds" if check.holds else "DIFFERS" if check.decisive else "differs, no figure"
            values = check.recorded if check.recorded == check.found else f"{check.recorded} in the record, {check.found} now"
            out.print(spelled_out(f"{words}: {check.what}: {values}"), markup=False)
    decisive = [check for check in checks if check.decisive]
    wrong = sum(not check.holds for check in decisive)
    said = f"all {len(decisive)} figures hold" if not wrong else f"{wrong} of {len(decisive)} figures do not hold"
    out.print(spelled_out(f"{report}: {said}"), markup=False)
    if wrong:
        raise typer.Exit(NOT_INSPECTED)
