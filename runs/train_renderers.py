"""Train the two small renderers of tamperlens.forge.learned on real photos, and export them.

    python runs/train_renderers.py PHOTOS... [--minutes 4] [--out src/tamperlens/forge/renderers]

Learns from people of the train split only, prints the error on people of the validation split.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tamperlens.data.portraits import find_face_photos, load_portrait, split_of
from tamperlens.faces import detector_for
from tamperlens.forge.learned import AUTOENCODER_SIDE, RENDERER_SIDE, coarse
from tamperlens.forge.standins import aligned_face
from tamperlens.media import resize


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(0.1))


class Up(nn.Module):
    """Twice the size, by repetition and a convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Upsample(scale_factor=2), _block(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        larger: Tensor = self.body(x)
        return larger


def autoencoder() -> tuple[nn.Module, nn.Module]:
    """An encoder (3, 64, 64) -> (24, 8, 8) and its decoder."""
    encoder = nn.Sequential(_block(3, 24, 2), _block(24, 48, 2), _block(48, 96, 2), nn.Conv2d(96, 24, 3, 1, 1))
    decoder = nn.Sequential(_block(24, 96), Up(96, 64), Up(64, 32), Up(32, 24), nn.Conv2d(24, 3, 3, 1, 1), nn.Sigmoid())
    return encoder, decoder


class Renderer(nn.Module):
    """(3, 128, 128) -> the same: what it is shown, and a correction. Detail is learned, colours are the picture's."""

    def __init__(self) -> None:
        super().__init__()
        down = (_block(3, 16, 2), _block(16, 32, 2), _block(32, 48), _block(48, 48))
        self.correction = nn.Sequential(*down, Up(48, 32), Up(32, 16), nn.Conv2d(16, 3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 128, 128) in [0, 1] -> the same."""
        corrected: Tensor = (x + self.correction(x)).clamp(0, 1)
        return corrected


def _tensor(images: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def fit(network: nn.Module, inputs: Tensor, wanted: Tensor, held: tuple[Tensor, Tensor], minutes: float) -> None:
    """Mean absolute error of pixels and of their gradients, by Adam, for so many minutes."""
    optimizer, rng = torch.optim.Adam(network.parameters(), 2e-3), np.random.default_rng(0)
    stop, step = time.time() + 60 * minutes, 0
    while time.time() < stop:
        drawn = torch.from_numpy(rng.integers(len(inputs), size=16))
        out, target = network(inputs[drawn]), wanted[drawn]
        loss = (out - target).abs().mean()
        loss = loss + sum((out.diff(dim=d) - target.diff(dim=d)).abs().mean() for d in (2, 3))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    with torch.inference_mode():
        error = (network(held[0]) - held[1]).abs().mean().item() * 255
    print(f"{step} steps; mean error on people not trained on: {error:.1f} of 255", flush=True)


def export(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """Write a network of one fixed input shape as ONNX."""
    program = torch.onnx.export(network.eval(), (torch.rand(shape),), input_names=["input"], dynamo=True, verbose=False)
    if program is None:
        raise RuntimeError(f"PyTorch exported nothing to {path}; look at what it printed above")
    for node in program.model.graph:
        node.metadata_props.clear()  # the exporter leaves stack traces with the paths of this machine
    program.save(path)


def main() -> None:
    """Read the arguments, train, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=4.0, help="for each of the two")
    parser.add_argument("--out", type=Path, default=Path("src/tamperlens/forge/renderers"))
    parser.add_argument("--only", nargs="+", default=["autoencoder", "renderer"], choices=["autoencoder", "renderer"])
    parser.add_argument("--faces", type=Path, help="where found faces are kept")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    photos = find_face_photos(arguments.photos, detector_for("portrait"), arguments.faces)
    faces: dict[str, list[np.ndarray]] = {"train": [], "val": []}
    squares: dict[str, list[np.ndarray]] = {"train": [], "val": []}
    for photo in photos:
        if (split := split_of(photo.person)) in faces:
            portrait = load_portrait(photo)
            edge = round(portrait.image.shape[0] * 0.075)  # of the x2 crop, 1.7 face boxes
            faces[split].append(aligned_face(portrait.image, portrait.landmarks))
            square = np.ascontiguousarray(portrait.image[edge:-edge, edge:-edge])
            squares[split].append(resize(square, RENDERER_SIDE, RENDERER_SIDE))
    for images in (faces, squares):
        images["train"] += [np.ascontiguousarray(image[:, ::-1]) for image in images["train"]]
    arguments.out.mkdir(parents=True, exist_ok=True)

    if "autoencoder" in arguments.only:
        encoder, decoder = autoencoder()
        train, held = _tensor(faces["train"]), _tensor(faces["val"])
        fit(nn.Sequential(encoder, decoder), train, train, (held, held), arguments.minutes)
        export(encoder, (1, 3, AUTOENCODER_SIDE, AUTOENCODER_SIDE), arguments.out / "encoder.onnx")
        export(decoder, (1, 24, AUTOENCODER_SIDE // 8, AUTOENCODER_SIDE // 8), arguments.out / "decoder.onnx")
    if "renderer" not in arguments.only:
        return

    drawing = Renderer()
    train, held = _tensor(squares["train"]), _tensor(squares["val"])
    shown, held_shown = (_tensor([coarse(image) for image in squares[split]]) for split in ("train", "val"))
    fit(drawing, shown, train, (held_shown, held), arguments.minutes)
    export(drawing, (1, 3, RENDERER_SIDE, RENDERER_SIDE), arguments.out / "renderer.onnx")


if __name__ == "__main__":
    main()
