"""What this machine can do, and how near to that the networks and whole inspections come, in one run.

    python benchmarks/machine.py                                   a short look: two minutes
    python benchmarks/machine.py --seconds 3 --most 10000 --doc docs/performance.md --json docs/images/performance.json
    python benchmarks/machine.py --check docs/images/performance.json     have ratios fallen behind the committed ones?

Rates are per second of one processor core's work, so that what else runs on the machine counts little; latencies are by the
clock. --model takes shipped names and files, such as an int8 file that `tamperlens export` wrote. --doc writes the tables
between two marks of a page; --check compares ratios alone, since only they mean the same on two machines.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from inspecting import make_clip
from matplotlib.cbook import get_sample_data

from tamperlens.errors import TamperlensError
from tamperlens.faces import detector_for
from tamperlens.files import replacing
from tamperlens.inspection.batch import examine_all
from tamperlens.inspection.casefile.record import Settings
from tamperlens.inspection.examiner import Examiner
from tamperlens.inspection.photo import inspect_photo
from tamperlens.inspection.video import inspect_video
from tamperlens.media import frames, read_photo, write_png
from tamperlens.models.runtime import DEFAULT_MODEL, CardPredictor, load, shipped_models

SIDE = 256  # pixels: of the crop by which networks are compared
BATCH = 4
PEAK_SIDE = 768  # of the matrices by which peaks are measured
WAYS = (("onnx", "float32"), ("openvino", "float32"), ("openvino", "bf16"), ("torch", "float32"))
EAGER = "torch float32"  # the plain pipeline that others are held against
WORSE = 0.25  # by which a ratio may fall behind the committed one before --check complains
MARKS = "<!-- figures: written by benchmarks/machine.py -->", "<!-- end of figures -->"
LENGTHS = (20, 4)  # seconds: where a frame a second is judged, and where ten frames of a short clip are
GROWTH = (1, 4, 16, 100, 1000, 10_000)

Run = dict[str, Any]


def rate(work: Callable[[], object], seconds: float) -> tuple[float, list[float]]:
    """How often per second of work, and the milliseconds by the clock of each time; the first time is not counted."""
    work()
    clocks: list[float] = []
    began, worked = time.perf_counter(), time.process_time()
    while len(clocks) < 2 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        work()
        clocks.append(1000 * (time.perf_counter() - start))
    return len(clocks) / (time.process_time() - worked), clocks


def peaks(seconds: float) -> Run:
    """Matrix products of a fixed side, 10^9 operations a second, and copying of memory, GB read and written a second."""
    found: Run = {}
    every = 2 * PEAK_SIDE**3 / 1e9
    source, target = np.ones(2**25, np.float32), np.empty(2**25, np.float32)
    found["copy GB/s"] = 2 * source.nbytes / 1e9 * rate(lambda: np.copyto(target, source), seconds)[0]
    try:
        import torch
    except ModuleNotFoundError:
        a = np.ones((PEAK_SIDE, PEAK_SIDE), np.float32)
        return found | {"float32": every * rate(lambda: a @ a, seconds)[0]}
    torch.set_num_threads(1)
    one = torch.ones(PEAK_SIDE, PEAK_SIDE)
    ways = {"float32": (torch.mm, one), "bf16": (torch.mm, one.bfloat16()), "int8": (torch._int_mm, one.to(torch.int8))}
    return found | {
        name: every * rate(lambda product=product, a=a: product(a, a), seconds)[0]  # type: ignore[misc]
        for name, (product, a) in ways.items()
    }


def operations(model: str) -> float:
    """10^9 operations of one crop, a multiplication and an addition counted as two; NaN without PyTorch or its weights."""
    try:
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        predictor: Any = load(model, threads=1, runtime="torch")
    except (ModuleNotFoundError, TamperlensError):
        return float("nan")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        predictor.engine._model(torch.zeros(1, 3, SIDE, SIDE))
    return float(counter.get_total_flops()) / 1e9


def networks(models: list[str], peak: Run, seconds: float) -> Iterator[Run]:
    """Each model in each engine and precision that there is here."""
    random = np.random.default_rng(0)
    crops = [random.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for _ in range(BATCH)]
    images = np.stack([crop.transpose(2, 0, 1) for crop in crops]).astype(np.float32) / np.float32(255)
    for model in models:
        cost = operations(model)
        for runtime, precision in WAYS:
            try:
                predictor = load(model, threads=1, runtime=runtime, precision=precision)  # type: ignore[arg-type]
            except TamperlensError as error:
                print(f"left out: {Path(model).stem} {runtime} {precision}: {error}", file=sys.stderr)
                continue
            alone, clocks = rate(lambda p=predictor: p(crops[0]), seconds)  # type: ignore[misc]
            together = BATCH * rate(lambda p=predictor: p.engine(images), seconds)[0]  # type: ignore[misc]
            yield {
                "model": Path(model).stem,
                "way": f"{runtime} {predictor.precision}",
                "crops/s": alone,
                f"crops/s in batches of {BATCH}": together,
                "share of peak": cost * alone / max(peak["float32"], peak.get(predictor.precision, 0.0)),
                "p50 ms": float(np.percentile(clocks, 50)),
                "p95 ms": float(np.percentile(clocks, 95)),
            }


class Timed:
    """A detector or a predictor that adds up the seconds of work that it takes."""

    def __init__(self, what: Any) -> None:
        self.what, self.work, self.calls = what, 0.0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.what, name)

    def __call__(self, image: Any) -> Any:
        return self._timed(self.what, image)

    def many(self, images: Any) -> Any:
        return self._timed(self.what.many, images)

    def _timed(self, call: Any, argument: Any) -> Any:
        began = time.process_time()
        found = call(argument)
        self.work, self.calls = self.work + time.process_time() - began, self.calls + 1
        return found


def worked(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def stages(kind: Literal["photo", "video"], path: Path, predictor: CardPredictor, every: float | None = None) -> Run:
    """Seconds of work of one inspection, by stage; the largest bounds it. ``every``: seconds between judged frames."""
    detector, timed = Timed(detector_for(kind)), Timed(predictor)
    if kind == "photo":
        decoding, count = worked(lambda: read_photo(path))[0], 1
        inspect_photo(path, detector_for(kind), predictor)  # the first of a size costs engines more
        total, _ = worked(lambda: inspect_photo(path, detector, timed))
    else:
        decoding, count = worked(lambda: sum(1 for _ in frames(path)))
        total, _ = worked(lambda: inspect_video(path, detector, timed, every=every, threads=1))
    parts = {"decoding": decoding, "face detection": detector.work, "network": timed.work}
    parts["all else"] = max(0.0, total - sum(parts.values()))
    return {"total": total, "frames": count, "stages": parts, "bound by": max(parts, key=parts.__getitem__)}


def growth(photo: Path, clip: Path, predictor: CardPredictor, most: int) -> Iterator[tuple[str, int, float]]:
    """What grows, how many there are, seconds of work."""
    face = cv2.resize(read_photo(photo).image, (300, 356), interpolation=cv2.INTER_AREA)
    for count in (count for count in GROWTH[:3] if count <= most):
        side = round(count**0.5)
        tiled = clip.with_name(f"faces{count}.png")
        write_png(tiled, np.tile(face, (side, side, 1)))
        yield "faces of a photo", count, worked(lambda p=tiled: inspect_photo(p, detector_for("photo"), predictor))[0]  # type: ignore[misc]
    small, large = clip.with_name("small.mp4"), clip.with_name("large.mp4")
    make_clip(small, 4, 640, 360)
    if most >= 1000:
        make_clip(large, 4, 1920, 1080)
    yield "pixels of a video of 100 frames", 640 * 360, video_work(small, predictor)
    yield "pixels of a video of 100 frames", 1280 * 720, video_work(clip, predictor)
    if large.exists():
        yield "pixels of a video of 100 frames", 1920 * 1080, video_work(large, predictor)
    for count in (count for count in GROWTH if 100 <= count <= max(100, most)):
        if count > 100:
            make_clip(small, count / 25, 640, 360)
        yield "frames of a video of 640x360", count, video_work(small, predictor)
    examiner = Examiner(Settings(), threads=1)
    for count in (count for count in GROWTH if count <= most):
        files = [(photo, f"{number}") for number in range(count)]
        yield "photos", count, worked(lambda f=files: sum(1 for _ in examine_all(examiner, f, 1)))[0]  # type: ignore[misc]


def video_work(clip: Path, predictor: CardPredictor) -> float:
    return worked(lambda: inspect_video(clip, detector_for("video"), predictor, threads=1))[0]


def measure(models: list[str], seconds: float, most: int) -> Run:
    cv2.setNumThreads(1)
    run: Run = {"machine": machine(), "peaks": peaks(seconds)}
    run["networks"] = list(networks(models, run["peaks"], seconds))
    with tempfile.TemporaryDirectory() as name:
        photo, clip = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)), Path(name) / "clip.mp4"
        predictor = load(models[0], threads=1)
        run["inspections"], ratios = {"photo": stages("photo", photo, predictor)}, {}
        eager = {row["model"]: row["crops/s"] for row in run["networks"] if row["way"] == EAGER}
        for length in LENGTHS:  # the shortest stays for what follows
            make_clip(clip, length, 1280, 720)
            video = run["inspections"][f"video of {length} seconds"] = stages("video", clip, predictor)
            what = f"video of 720p and {length} seconds: rate over"
            ratios[f"{what} decoding alone"] = video["stages"]["decoding"] / video["total"]
            if Path(models[0]).stem in eager:
                plain = load(models[0], threads=1, runtime="torch")
                ratios[f"{what} the plain PyTorch pipeline"] = video_work(clip, plain) / video["total"]
        for row in run["networks"]:
            if row["way"] != EAGER and row["model"] in eager:
                ratios[f"{row['model']}, {row['way']}: rate over {EAGER}"] = row["crops/s"] / eager[row["model"]]
            if row["share of peak"] == row["share of peak"]:
                ratios[f"{row['model']}, {row['way']}: share of the machine's peak"] = row["share of peak"]
        run["inspections"][f"every frame of {LENGTHS[-1]} seconds"] = stages("video", clip, predictor, every=0)
        run["ratios"] = ratios
        run["growth"] = list(growth(photo, clip, predictor, most))
    return run


def machine() -> Run:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in lines.items()}
    known = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile")
    return {
        "processor": fields.get("model name") or platform.processor(),
        "has": [name for name in known if name in fields.get("flags", "").split()],
        "system": f"{platform.system()} {platform.machine()}",
    }


def tables(run: Run) -> str:
    """The run as Markdown."""
    has, whose = ", ".join(run["machine"]["has"]), f"{run['machine']['processor']}, {run['machine']['system']}"
    lines = [f"Machine: {whose} ({has or 'no vector extension known here'}), one core.", ""]
    lines += ["| peak | of one core |", "|---|---|"]
    lines += [f"| {name} | {value:.1f}{'' if 'GB' in name else ' GFLOP/s'} |" for name, value in run["peaks"].items()]
    for rows in (run["networks"], *([{"inspection": kind} | flat(found) for kind, found in run["inspections"].items()],)):
        lines += ["", f"| {' | '.join(rows[0])} |", "|---" * len(rows[0]) + "|"]
        lines += ["| " + " | ".join(cell(name, value) for name, value in row.items()) + " |" for row in rows]
    lines += [
        "",
        "| ratio in this run | |",
        "|---|---|",
        *(f"| {name} | {value:.2f} |" for name, value in run["ratios"].items()),
    ]
    lines += ["", "| what grows | number | seconds of work | each, ms |", "|---|---|---|---|"]
    lines += [f"| {what} | {count:,} | {work:.2f} | {1000 * work / count:.3g} |" for what, count, work in run["growth"]]
    return "\n".join(lines) + "\n"


def flat(found: Run) -> Run:
    frames_a_second = {"frames/s": found["frames"] / found["total"]}
    return frames_a_second | {f"{name}, s": work for name, work in found["stages"].items()} | {"bound by": found["bound by"]}


def cell(name: str, value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.0%}" if name.startswith("share") else f"{value:.3g}"


def draw(run: Run, path: Path) -> None:
    """Networks' rates beside each other, stages as shares, cost as things grow."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.barh([f"{row['model']}\n{row['way']}" for row in run["networks"]], [row["crops/s"] for row in run["networks"]])
    left.invert_yaxis()
    left.set(xlabel=f"crops of {SIDE} pixels per second of work")
    left.tick_params(labelsize=6)
    bottom = np.zeros(len(run["inspections"]))
    for stage in run["inspections"]["photo"]["stages"]:
        # Decoding is measured by itself, so that stages add up to a little more than the whole where little is done.
        shares = np.array([found["stages"][stage] / sum(found["stages"].values()) for found in run["inspections"].values()])
        middle.bar([kind.replace(" of ", "\nof ") for kind in run["inspections"]], shares, bottom=bottom, label=stage)
        bottom += shares
    middle.set(ylabel="share of an inspection's work")
    middle.tick_params(axis="x", labelsize=7)
    middle.legend(fontsize=7, loc="lower right")
    for what in dict.fromkeys(what for what, _, _ in run["growth"]):
        own = [(count, work) for named, count, work in run["growth"] if named == what]
        right.loglog(*zip(*own, strict=True), marker="o", label=what)
    right.set(xlabel="number", ylabel="seconds of work")
    right.legend(fontsize=7)
    figure.savefig(path, dpi=120)


def behind(run: Run, committed: Run) -> list[str]:
    """Ratios that fell behind the committed ones; those of only one of the runs are not compared."""
    return [
        f"{name}: {run['ratios'][name]:.2f}, committed {value:.2f}"
        for name, value in committed["ratios"].items()
        if run["ratios"].get(name, value) < (1 - WORSE) * value
    ]


def write_tables(page: Path, text: str) -> None:
    before, rest = page.read_text(encoding="utf-8").split(MARKS[0])
    with replacing(page) as new:
        new.write_text(f"{before}{MARKS[0]}\n\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="the first inspects, too; shipped ones by default")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each rate")
    parser.add_argument("--most", type=int, default=16, help="faces, frames and photos to which cost is followed, up to 10000")
    parser.add_argument("--json", type=Path, help="write the run here; the plot beside it, as .png")
    parser.add_argument("--doc", type=Path, help="a page whose tables are written anew")
    parser.add_argument("--check", type=Path, help="an earlier --json; exit code 1 where a ratio fell behind by a quarter")
    options = parser.parse_args()
    others = [name for name in shipped_models() if name != DEFAULT_MODEL]
    run = measure(options.model or [DEFAULT_MODEL, *others], options.seconds, options.most)
    print(tables(run))
    if options.json:
        options.json.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
        draw(run, options.json.with_suffix(".png"))
    if options.doc:
        write_tables(options.doc, tables(run))
    if options.check:
        slower = behind(run, json.loads(options.check.read_text(encoding="utf-8")))
        print("\n".join(slower) or "no ratio fell behind")
        sys.exit(bool(slower))


if __name__ == "__main__":
    main()
