"""Photo and video files to upright RGB pictures, and pictures to files and through codecs."""

from tamperlens.media.addresses import Address, Results, fetched, files_at, first_bytes, place_of
from tamperlens.media.decoding import VideoInfo
from tamperlens.media.facts import FileFacts, readable, sha256_of
from tamperlens.media.kinds import Kind, kind_in, sniff
from tamperlens.media.opening import MAX_PIXELS, checked
from tamperlens.media.photo import write_png
from tamperlens.media.redrawing import redraw
from tamperlens.media.reencoding import fit_within, h264, h264_moving, jpeg, resize, shrunk, webp
from tamperlens.media.sampling import VideoSampler, next_due
from tamperlens.media.source import (
    Photo,
    Video,
    file_facts,
    kind_of,
    moves,
    moving_length,
    open_source,
    read_photo,
    video_info,
)
from tamperlens.media.video import frames, write_video

__all__ = [
    "MAX_PIXELS",
    "Address",
    "FileFacts",
    "Kind",
    "Photo",
    "Results",
    "Video",
    "VideoInfo",
    "VideoSampler",
    "checked",
    "fetched",
    "file_facts",
    "files_at",
    "first_bytes",
    "fit_within",
    "frames",
    "h264",
    "h264_moving",
    "jpeg",
    "kind_in",
    "kind_of",
    "moves",
    "moving_length",
    "next_due",
    "open_source",
    "place_of",
    "read_photo",
    "readable",
    "redraw",
    "resize",
    "sha256_of",
    "shrunk",
    "sniff",
    "video_info",
    "webp",
    "write_png",
    "write_video",
]
