"""Which operators of a network its time goes to in ONNX Runtime, for each file side by side: what bounds int8, say.

    tamperlens export twostream-joint --int8 PHOTOS --per-family 2 --out DIR
    python benchmarks/operators.py src/tamperlens/models/weights/twostream-joint.onnx DIR/twostream-joint-int8.onnx [--side 256]

One thread; milliseconds of one crop by the engine's own profile, "depthwise" where each channel is convolved by itself (of int8
convolutions the profile does not tell, since their weights are packed).
"""

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime

from tamperlens.metrics.rows import table_head, table_line


def kind_of(event: dict[str, object]) -> str:
    """The operator's name; of convolutions, whether they are depthwise, by the shape of their weights."""
    about = dict(event["args"])  # type: ignore[call-overload]
    name = str(about["op_name"])
    if "Conv" not in name:
        return name
    shapes = [shape for entry in about["input_type_shape"] for shape in entry.values() if len(shape) == 4]
    return f"{name}, depthwise" if len(shapes) > 1 and shapes[1][1] == 1 and shapes[0][1] > 1 else name


def milliseconds(path: Path, side: int, turns: int) -> dict[str, float]:
    """Of each kind of operator, milliseconds of one crop: the mean over ``turns``."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.intra_op_num_threads = True, 1
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        crop = np.random.default_rng(0).random((1, 3, side, side), np.float32)
        for _ in range(turns):
            session.run(None, {session.get_inputs()[0].name: crop})
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: dict[str, float] = defaultdict(float)
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            spent[kind_of(event)] += event["dur"] / 1000 / turns
    return spent


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help=".onnx files")
    parser.add_argument("--side", type=int, default=256, help="pixels of a crop")
    parser.add_argument("--turns", type=int, default=20)
    arguments = parser.parse_args()
    spent = {path.stem: milliseconds(path, arguments.side, arguments.turns) for path in arguments.models}
    kinds = {kind for found in spent.values() for kind in found}
    print(table_head("operator", *(f"{name}, ms" for name in spent)), end="")
    for kind in sorted(kinds, key=lambda kind: -max(found.get(kind, 0) for found in spent.values())):
        print(table_line(kind, *(f"{found.get(kind, 0):.2f}" for found in spent.values())), end="")
    print(table_line("all", *(f"{sum(found.values()):.2f}" for found in spent.values())), end="")


if __name__ == "__main__":
    main()
