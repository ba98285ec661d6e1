"""How fast files are inspected and in how much memory, beside what decoding alone takes, in one run.

    python benchmarks/inspecting.py [--seconds 20] [--long 120] [--eager]

The clips show matplotlib's sample photograph under a moving camera, H.264. Every figure comes from a process of its own; told
are seconds by the clock and of the processor, because on shared cores only the second are the program's own. --eager also runs
the same pipeline with the model in plain PyTorch.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = "from tamperlens.cli import app; app()"
LIMITS = {"photo": 600, "clip 1080p": 1024}  # MiB


def make_clip(path: Path, seconds: float, width: int, height: int) -> None:
    """A camera that pans there and back for four seconds, encoded once and repeated."""
    import av
    from prepare import pan

    from tamperlens.media import write_video

    there = list(pan(50, width, height))
    once = path.with_name(f"once_{path.name}")
    write_video(once, iter([*there, *reversed(there)]), 25, codec="libx264", crf=23, threads=2)
    with av.open(str(path), "w") as longer:
        stream = None
        for turn in range(max(1, round(seconds / 4))):
            with av.open(str(once)) as container:
                source = container.streams.video[0]
                stream = stream or longer.add_stream_from_template(source)
                for packet in container.demux(source):
                    if packet.dts is None:
                        continue
                    shift = round(4 * turn / packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    longer.mux(packet)


def measure(what: str, path: Path) -> dict[str, float]:
    """Runs in a process of its own: the work named ``what``, after everything it needs is loaded."""
    import av

    from tamperlens.faces import detector_for
    from tamperlens.inspection.photo import inspect_photo
    from tamperlens.inspection.video import inspect_video
    from tamperlens.models import runtime

    frames = 1
    if what != "decode":
        weights = Path(runtime.__file__).parent / "weights" / f"{runtime.DEFAULT_MODEL}.safetensors"
        predictor = runtime.load(weights if what == "eager" else runtime.DEFAULT_MODEL)
    if what == "photo":
        detector = detector_for("photo")
        inspect_photo(path, detector, predictor)
    began, worked = time.perf_counter(), time.process_time()
    if what == "decode":
        with av.open(str(path)) as container:
            frames = sum(1 for _ in container.decode(video=0))
    elif what == "photo":
        inspect_photo(path, detector, predictor)
    else:
        frames = inspect_video(path, detector_for("video"), predictor, threads=2).decoded
    clock, work = time.perf_counter() - began, time.process_time() - worked
    return {"frames": frames, "clock": clock, "work": work, "memory": memory()}


def memory() -> float:
    """Peak MiB of this process. Not `getrusage`'s, which begins with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return float(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def apart(what: str, path: Path) -> dict[str, float]:
    """`measure` in a fresh process."""
    done = subprocess.run([sys.executable, __file__, "--measure", what, path], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def cold(path: Path) -> dict[str, float]:
    """The command from its start to the verdict, with all modules compiled, as pip leaves them."""
    command = [sys.executable, "-c", PROGRAM, "inspect", str(path)]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, capture_output=True, env=own)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=own)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    work = sum(getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime"))
    return {"clock": time.perf_counter() - began, "work": work}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="length of the 1280x720 clip")
    parser.add_argument("--long", type=float, default=120, help="length of the 1920x1080 clip")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, large, small = folder / "clip.mp4", folder / "large.mp4", folder / "photo.jpg"
        make_clip(clip, options.seconds, 1280, 720)
        from matplotlib.cbook import get_sample_data

        small.write_bytes(Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes())
        decode = apart("decode", clip)
        kinds = ["inspect", "eager"] if options.eager else ["inspect"]
        for kind, found in {"decode": decode, **{kind: apart(kind, clip) for kind in kinds}}.items():
            rate, own = found["frames"] / found["clock"], found["frames"] / found["work"]
            share = decode["work"] / found["work"]
            print(
                f"{kind:10} {rate:7.1f} frames/s, {own:7.1f} a second of work ({share:.0%} of decoding's), "
                f"{own / 25:.1f} times as fast as it plays"
            )
        start, warm = cold(small), apart("photo", small)
        print(f"photo cold {start['clock']:.2f} s, {start['work']:.2f} s of work (aim: 2 s)")
        print(f"photo warm {warm['clock']:.2f} s, {warm['work']:.2f} s of work (aim: 0.3 s)")
        print(f"memory     photo {warm['memory']:.0f} MiB (aim: under {LIMITS['photo']})")
        for seconds in (options.long / 4, options.long):
            make_clip(large, seconds, 1920, 1080)
            peak = apart("inspect", large)["memory"]
            print(f"memory     {seconds:.0f} s of 1920x1080 {peak:.0f} MiB (aim: under {LIMITS['clip 1080p']})")


if __name__ == "__main__":
    main()
