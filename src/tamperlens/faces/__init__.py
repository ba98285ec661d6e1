"""Where faces are: detectors, the enlarged square around a face and the way back, faces through a clip.

Boxes and crops are in pixels of the upright picture: x to the right, y down, upper bounds exclusive.
"""

from tamperlens.faces.appearance import appearance, similarities, similarity
from tamperlens.faces.crop import ENLARGE, crop_face, face_square, inside_slices, paste_map
from tamperlens.faces.detector import DEFAULT_DETECTOR, DETECTORS, SCALES, Purpose, YuNet, detector_for
from tamperlens.faces.largest import largest_face
from tamperlens.faces.tracks import FaceTracks, box_at
from tamperlens.faces.turned import find_faces, find_turned, quarter_turns

__all__ = [
    "DEFAULT_DETECTOR",
    "DETECTORS",
    "ENLARGE",
    "SCALES",
    "FaceTracks",
    "Purpose",
    "YuNet",
    "appearance",
    "box_at",
    "crop_face",
    "detector_for",
    "face_square",
    "find_faces",
    "find_turned",
    "inside_slices",
    "largest_face",
    "paste_map",
    "quarter_turns",
    "similarities",
    "similarity",
]
