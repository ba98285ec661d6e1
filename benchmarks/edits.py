"""Single edits of a face, most of which no recipe makes: which are found, and which are taken for a forger's without being one.

    python benchmarks/edits.py PHOTOS... [--models NAME_OR_PATH...] [--number 36] [--cache FILE]

Each edit is made to the same portraits of test people at 256 pixels, as they are and after JPEG 75; so are the donors.
AUC is of an edit against the untouched portraits: high is good for forgeries, near one half for what is none. Then the median
score, and the share of faces called manipulated and inconclusive by the score alone.
"""

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
from people import parser_of, people_of

from tamperlens.data import seeds
from tamperlens.data.portraits import FacePhoto, load_portrait
from tamperlens.forge.content import match_color
from tamperlens.forge.outlines import draw_hull, feathered
from tamperlens.forge.portrait import Portrait, face_frame, scaled
from tamperlens.forge.regions import blend, poisson
from tamperlens.forge.scenes import retouched, skin_of
from tamperlens.forge.swap import align
from tamperlens.media import jpeg
from tamperlens.metrics import area_under_roc
from tamperlens.metrics.rows import to_table
from tamperlens.models.runtime import DEFAULT_MODEL, load
from tamperlens.types import BoolArray, FloatArray, Predictor, UInt8Array

SIDE = 256  # pixels
FEATHER = 0.2  # of the distance between the eyes
LEVELS = 4  # of the pyramids in which pictures are blended
HEAD = ("model", "edit", "delivery", "AUC", "median", "manipulated", "inconclusive")


class Face:
    """A portrait, another person's face aligned to it, and places on it."""

    def __init__(self, target: Portrait, donor: Portrait, rng: np.random.Generator) -> None:
        self.portrait, self.image, self.rng = target, target.image, rng
        self.other = align(donor, target, rng)
        self.eyes = float(np.linalg.norm(target.landmarks[1] - target.landmarks[0]))
        self.region = draw_hull(target.landmarks, self.image.shape[:2], rng, "face")
        self.matched = match_color(self.other, self.image, self.region)
        to_face = cv2.invertAffineTransform(face_frame(target.landmarks).astype(np.float64))
        y, x = np.mgrid[: self.image.shape[0], : self.image.shape[1]]
        self.across, self.down = (row[0] * x + row[1] * y + row[2] for row in to_face)

    def part(self, name: str) -> BoolArray:
        return draw_hull(self.portrait.landmarks, self.image.shape[:2], self.rng, name)

    def pasted(self, content: UInt8Array, region: BoolArray, opacity: float = 1.0) -> UInt8Array:
        return blend(self.image, content, feathered(region, FEATHER * self.eyes, self.rng) * np.float32(opacity))

    def hill(self, x: float, y: float, wide: float, tall: float) -> FloatArray:
        """1 at a place in face coordinates and its mirror image, falling to 0 around it."""
        hill = np.exp(-(((np.abs(self.across) - x) / wide) ** 2 + ((self.down - y) / tall) ** 2) / 2)
        return np.asarray(hill, np.float32)

    def oval(self) -> FloatArray:
        """1 on the face, falling softly to 0 around it."""
        beyond = np.maximum(0, np.hypot(self.across / 1.15, (self.down - 0.35) / 1.5) - 0.8)
        return np.asarray(np.exp(-(beyond**2) / 0.06), np.float32)

    def person(self) -> FloatArray:
        """1 on head and shoulders, roughly."""
        below = np.clip(self.down - 1.6, 0, 1.2)
        head = np.hypot(self.across / 1.35, (self.down - 0.25) / 1.95) < 1
        inside = (head | ((below > 0) & (np.abs(self.across) < 1 + 1.6 * below))).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(inside, (0, 0), 2), np.float32)


def mixed(image: np.ndarray, changed: np.ndarray, weight: FloatArray) -> UInt8Array:
    return np.asarray(np.clip(np.rint(image * (1 - weight[..., None]) + changed * weight[..., None]), 0, 255), np.uint8)


def swapped(face: Face, opacity: float = 1.0) -> UInt8Array:
    return face.pasted(face.matched, face.region, opacity)


def multiband(face: Face) -> UInt8Array:
    """Blended in each octave by itself (Burt and Adelson 1983)."""
    inner = cv2.erode(face.region.astype(np.float32), np.ones((3, 3)), iterations=3)
    pyramids = []
    for picture in (face.matched.astype(np.float32), face.image.astype(np.float32), inner):
        levels = [picture]
        for _ in range(LEVELS):
            levels.append(cv2.pyrDown(levels[-1]))
        pyramids.append(levels)
    content, base, weights = pyramids
    result = base[-1] + weights[-1][..., None] * (content[-1] - base[-1])
    for level in reversed(range(LEVELS)):
        up = partial(cv2.pyrUp, dstsize=base[level].shape[1::-1])
        finer, own = content[level] - up(content[level + 1]), base[level] - up(base[level + 1])
        result = up(result) + own + weights[level][..., None] * (finer - own)
    return np.asarray(np.clip(np.rint(result), 0, 255), np.uint8)


def like_blurred(face: Face) -> UInt8Array:
    """The other's colours multiplied by how both differ when blurred, as a well-known script of 2015 does it."""
    kernel = (int(0.6 * face.eyes) // 2 * 2 + 1,) * 2
    wanted, had = (cv2.GaussianBlur(picture, kernel, 0).astype(np.float32) for picture in (face.image, face.other))
    return face.pasted(np.clip(face.other * wanted / np.maximum(had, 1), 0, 255).astype(np.uint8), face.region)


def like_histogram(face: Face) -> UInt8Array:
    """The other's colours by equal rank, channel by channel."""
    content = face.other.copy()
    for channel in range(3):
        wanted, had = (np.sort(picture[face.region][:, channel]) for picture in (face.image, face.other))
        ranks = np.searchsorted(had, np.arange(256)) * (len(wanted) - 1) // len(had)
        content[..., channel] = wanted[ranks][face.other[..., channel]]
    return face.pasted(content, face.region)


def slimmer(face: Face, reach: float) -> UInt8Array:
    """The jaw drawn in by ``reach`` distances between the eyes: nothing but geometry."""
    y, x = np.mgrid[: face.image.shape[0], : face.image.shape[1]].astype(np.float32)
    pull = face.hill(0.9, 1.0, 0.25, 0.35) * np.sign(face.across) * reach * face.eyes
    return np.asarray(cv2.remap(face.image, (x + pull).astype(np.float32), y, cv2.INTER_CUBIC), np.uint8)


def part_swapped(face: Face, name: str, cloned: bool) -> UInt8Array:
    region = face.part(name)
    if cloned:
        return poisson(face.other, face.image, region)
    return face.pasted(match_color(face.other, face.image, region), region)


def denoised(face: Face) -> UInt8Array:
    return face.pasted(np.asarray(cv2.fastNlMeansDenoisingColored(face.image, None, 4, 4, 5, 15), np.uint8), face.region)


def noisier(face: Face) -> UInt8Array:
    noise = face.rng.normal(0, 3, face.image.shape)
    return face.pasted(np.clip(np.rint(face.image + noise), 0, 255).astype(np.uint8), face.region)


def inpainted(face: Face) -> UInt8Array:
    return np.asarray(cv2.inpaint(face.image, face.part("mouth").astype(np.uint8), 3, cv2.INPAINT_TELEA), np.uint8)


def another_background(face: Face) -> UInt8Array:
    strip = cv2.resize(face.other[: SIDE // 5], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return mixed(strip, face.image, face.person())


def smoothed(face: Face) -> UInt8Array:
    """Skin without grain, as retouchers leave it, on the face alone."""
    smooth = face.image
    for _ in range(2):
        smooth = np.asarray(cv2.bilateralFilter(smooth, 9, 40, 5), np.uint8)
    return mixed(face.image, smooth, face.oval() * skin_of(face.image))


def crisp(image: UInt8Array) -> FloatArray:
    return np.asarray(2.0 * image - cv2.GaussianBlur(image, (0, 0), 1.2), np.float32)


Edit = Callable[[Face], UInt8Array]
FORGERIES: dict[str, Edit] = {
    "swap": swapped,
    "swap, hard edge": lambda face: blend(face.image, face.matched, face.region.astype(np.float32)),
    "swap, blended by octaves": multiband,
    "swap, cloned": lambda face: poisson(face.other, face.image, face.region),
    "swap, cloned with mixed gradients": lambda face: poisson(face.other, face.image, face.region, mixed=True),
    "swap, colours by blurred ratio": like_blurred,
    "swap, colours by histogram": like_histogram,
    "swap at half opacity": partial(swapped, opacity=0.5),
    "swap at 30 % opacity": partial(swapped, opacity=0.3),
    **{f"another's {name}": partial(part_swapped, name=name, cloned=False) for name in ("mouth", "eyes", "nose")},
    **{f"another's {name}, cloned": partial(part_swapped, name=name, cloned=True) for name in ("mouth", "eyes", "nose")},
    "mouth inpainted": inpainted,
    "face denoised, hull": denoised,
    "face noisier, hull": noisier,
    "jaw drawn in by 10 % of the eyes' distance": partial(slimmer, reach=0.1),
    "jaw drawn in by 20 %": partial(slimmer, reach=0.2),
}
PERMITTED: dict[str, Edit] = {
    "none": lambda face: face.image,
    "face retouched": lambda face: retouched(face.portrait, face.rng),
    "skin of the face smoothed": smoothed,
    "background blurred": lambda face: mixed(cv2.GaussianBlur(face.image, (0, 0), 4), face.image, face.person()),
    "background another": another_background,
    "face lightened": lambda face: mixed(face.image, face.image * 1.18 + 4, face.oval() * skin_of(face.image)),
    "face tanned": lambda face: mixed(face.image, face.image * [0.97, 0.9, 0.82], face.oval() * skin_of(face.image)),
    "face sharpened": lambda face: mixed(face.image, crisp(face.image), face.oval()),
    "lips painted": lambda face: mixed(face.image, face.image * 0.6 + [52, 7, 16], 0.8 * face.hill(0, 1.0, 0.3, 0.1)),
    "eyes painted": lambda face: mixed(face.image, face.image * 0.6, 0.8 * face.hill(0.5, -0.05, 0.26, 0.13)),
    "cheeks painted": lambda face: mixed(face.image, face.image * [1.1, 0.85, 0.88], face.hill(0.62, 0.5, 0.28, 0.25)),
    "all blurred": lambda face: np.asarray(cv2.GaussianBlur(face.image, (0, 0), 1), np.uint8),
    "all sharpened": lambda face: np.asarray(np.clip(np.rint(crisp(face.image)), 0, 255), np.uint8),
}
DELIVERIES: dict[str, Callable[[UInt8Array], UInt8Array]] = {
    "as it is": lambda image: image,
    "JPEG 75": partial(jpeg, quality=75),
}


def scores_of(models: Sequence[Predictor], people: Sequence[FacePhoto], number: int) -> dict[tuple[str, str, str], list[float]]:
    """Scores by model, edit and delivery."""
    scores: dict[tuple[str, str, str], list[float]] = {}
    for place in range(number):
        rng = np.random.default_rng([seeds.CHOSEN_PHOTOS, place])
        target, donor = (scaled(load_portrait(people[int(rng.integers(len(people)))], rng), SIDE) for _ in range(2))
        for edit, change in (PERMITTED | FORGERIES).items():
            # The same regions for every edit.
            image = change(Face(target, donor, np.random.default_rng([seeds.CHOSEN_PHOTOS, place, 1])))
            for delivery, deliver in DELIVERIES.items():
                for model in models:
                    scores.setdefault((model.name, edit, delivery), []).append(model(deliver(image)).score)
    return scores


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL], help="names or paths")
    parser.add_argument("--number", type=int, default=36, help="of portraits")
    arguments = parser.parse_args()
    models = [load(model, threads=1) for model in arguments.models]
    scores = scores_of(models, people_of(arguments)["test"], arguments.number)
    for title, edits in (("Forgeries", FORGERIES), ("What is none", PERMITTED)):
        rows = []
        for model in models:
            for edit in edits:
                for delivery in DELIVERIES:
                    own, plain = (np.array(scores[model.name, name, delivery]) for name in (edit, "none"))
                    auc = area_under_roc(np.concatenate([plain, own]), np.arange(2 * len(own)) >= len(own))
                    sure = own >= model.score_threshold
                    raised = (own >= model.doubt_threshold) & ~sure
                    figures = (f"{auc:.3f}", f"{np.median(own):.3f}", f"{sure.mean():.2f}", f"{raised.mean():.2f}")
                    rows.append([model.name, edit, delivery, *figures])
        print(f"{title}:\n\n{to_table(HEAD, rows)}")


if __name__ == "__main__":
    main()
