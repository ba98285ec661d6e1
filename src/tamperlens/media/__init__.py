"""Photo and video files to upright RGB pictures, and pictures to files and through codecs."""

import os
from typing import Literal

from tamperlens.media.animation import animation_info
from tamperlens.media.facts import FileFacts, file_facts, readable, sha256_of
from tamperlens.media.opening import checked, open_photo, open_video, pillow
from tamperlens.media.photo import MAX_PIXELS, read_photo, write_png
from tamperlens.media.redrawing import redraw
from tamperlens.media.reencoding import h264, h264_moving, jpeg, resize, shrunk, webp
from tamperlens.media.sampling import VideoSampler, next_due
from tamperlens.media.video import VideoInfo, frames, video_info, write_video

__all__ = [
    "MAX_PIXELS",
    "FileFacts",
    "VideoInfo",
    "VideoSampler",
    "animation_info",
    "file_facts",
    "frames",
    "h264",
    "h264_moving",
    "jpeg",
    "kind_of",
    "moves",
    "moving_length",
    "next_due",
    "read_photo",
    "readable",
    "redraw",
    "resize",
    "sha256_of",
    "shrunk",
    "video_info",
    "webp",
    "write_png",
    "write_video",
]


def kind_of(path: str | os.PathLike[str]) -> Literal["photo", "video"]:
    """Whether a file is a photo or a video, from its content. Animated GIF, PNG, WebP and AVIF count as photos.

    Only headers are read, so a "photo" or "video" may still turn out broken later. Raises ``MediaError`` for a file
    that is missing, empty or not recognised, and ``UnsupportedMedia`` for other known kinds.
    """
    file = checked(path)
    with pillow():
        photo = open_photo(file)
        if photo is not None:
            photo.close()
            return "photo"
    with open_video(file):
        return "video"


def moves(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a video or an animated picture, from its content. Errors as for `kind_of`."""
    return kind_of(path) == "video" or animation_info(path) is not None


def moving_length(path: str | os.PathLike[str]) -> float:
    """Seconds that a video or animation lasts, as its headers say; NaN where they do not."""
    animation = animation_info(path)
    return animation.seconds if animation else video_info(path).seconds
