"""A clip's crops, masks and rows on their way into a shard."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from tamperlens.data.prepare.masks import NoiseFloor, Recipe
from tamperlens.data.readers.clips import Clip
from tamperlens.data.store.manifest import CropPlace, CropRow
from tamperlens.data.store.shards import TarWriter, encode_crop, encode_mask
from tamperlens.types import BoolArray, FaceCrop, Frame

__all__ = ["CropWriter"]


@dataclass(frozen=True)
class _Written:
    """A crop and where its bytes lie in the clip's part: offset and length."""

    place: CropPlace
    image: tuple[int, int]
    mask: tuple[int, int] | None


class CropWriter:
    """Writes one clip's crops to a tar of its own, which is then joined to the unit's shard."""

    def __init__(self, clip: Clip, recipe: Recipe, path: Path) -> None:
        self.clip, self.recipe, self.path = clip, recipe, path
        self._tar: TarWriter | None = None
        self._written: list[_Written] = []

    def __len__(self) -> int:
        return len(self._written)

    def add(self, frame: Frame, crop: FaceCrop, mask: BoolArray | None) -> None:
        """Appends a crop and its mask, bool ``(side, side)``; None where only the label is known."""
        self._tar = self._tar or TarWriter(self.path)
        place = self._place(frame, crop, mask)
        # WebDataset takes a key's first dot for its end.
        key = f"{quote(place.clip, safe='/ ').replace('.', '%2E')}_{frame.index:05d}"
        image = self._tar.add(f"{key}.crop.png", encode_crop(crop.image))
        drawn = self._tar.add(f"{key}.mask.png", encode_mask(mask)) if mask is not None else None
        self._tar.add(f"{key}.json", json.dumps(vars(place), ensure_ascii=False).encode())
        self._written.append(_Written(place, image, drawn))

    def _place(self, frame: Frame, crop: FaceCrop, mask: BoolArray | None) -> CropPlace:
        clip, face = self.clip, crop.face
        recipe = self.recipe if clip.manipulated and mask is not None else None
        pixels = None if mask is None else int(np.count_nonzero(mask))
        return CropPlace(
            clip=clip.id,
            method=clip.method,
            target=clip.target,
            source=clip.source,
            compression=clip.compression,
            split=clip.split,
            split_set=clip.split_set,
            persons=list(clip.persons),
            frame=frame.index,
            seconds=round(frame.seconds, 4),
            left=crop.left,
            top=crop.top,
            side=crop.side,
            face_x0=round(face.x0, 2),
            face_y0=round(face.y0, 2),
            face_x1=round(face.x1, 2),
            face_y1=round(face.y1, 2),
            label=int(clip.manipulated if pixels is None else pixels > 0),
            mask_pixels=pixels,
            recipe=recipe.name if recipe else None,
            recipe_version=recipe.version if recipe else None,
            recipe_hash=recipe.hash if recipe else None,
        )

    def close(self, *, keep: bool) -> None:
        """Closes the clip's part of the shard, and removes it unless it is to be kept."""
        if self._tar is not None:
            self._tar.close()
        if not keep:
            self.path.unlink(missing_ok=True)

    def rows(self, shard: str, shift: int, floor: NoiseFloor | None, accepted: str | None) -> Iterator[CropRow]:
        """The clip's rows, as they are in the shard that its part was joined to, ``shift`` bytes from the start."""
        for written in self._written:
            mask_offset, mask_length = written.mask or (-shift, 0)
            yield CropRow(
                **vars(written.place),
                noise_median=floor.median if floor else None,
                noise_p99=floor.p99 if floor else None,
                shard=shard,
                image_offset=written.image[0] + shift,
                image_length=written.image[1],
                mask_offset=mask_offset + shift,
                mask_length=mask_length,
                accepted=accepted,
            )
