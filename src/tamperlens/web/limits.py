"""What one server takes: sizes, numbers and times, each with the message for whoever asks for more."""

import os
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of one server. The inspection itself bounds faces: the 50 largest of a photo, the 10 largest of a frame."""

    megabytes: float = 200  # of an uploaded file
    megapixels: float = 50  # of a photo, or of one picture of a video
    seconds: float = 600  # of a video
    workers: int = field(default_factory=lambda: min(4, os.cpu_count() or 1))  # files inspected at the same time
    memory: int = 4096  # megabytes of address space of a worker
    time: float = 900  # seconds of work on one file
    queue: int = 200  # files waiting or in work, of everybody
    per_client: int = 50  # the same, of one address
    keep: float = 3600  # seconds for which a result is kept

    @property
    def bytes(self) -> int:
        """Bytes of an uploaded file."""
        return round(self.megabytes * 1e6)

    def public(self) -> dict[str, Any]:
        """What clients are told."""
        return {**asdict(self), "bytes": self.bytes}

    def refuse_bytes(self) -> str:
        """A file is too large."""
        return f"the file is larger than {self.megabytes:g} MB, which this server takes at most; send a smaller or shorter one"

    def refuse_pixels(self, width: int, height: int) -> str:
        """A picture is too large."""
        return (
            f"the picture has {width} x {height} pixels, expected at most {self.megapixels:g} million; make it smaller or cut "
            f"out the part with the face"
        )

    def refuse_seconds(self, seconds: float) -> str:
        """A video is too long."""
        return f"the video lasts {seconds:.0f} seconds, expected at most {self.seconds:g}; cut out the part that matters"

    def refuse_time(self) -> str:
        """The work took too long."""
        return f"the inspection took longer than {self.time:g} seconds and was stopped; send a smaller or shorter file"

    def refuse_memory(self) -> str:
        """The work needed too much memory."""
        return f"the inspection needs more than the {self.memory} MB of memory it may use; send a smaller file"

    def refuse_queue(self) -> str:
        """Too many files wait."""
        return f"{self.queue} files are waiting already; try again in a while"

    def refuse_client(self) -> str:
        """Too many files of one client wait."""
        return f"{self.per_client} of your files are waiting or in work already; send more when some are done"
