"""The seeds of all that is measured, in one table: what has the same seed is the same test.

Figures of two models can be compared where they are of the same people, families and seed. Whoever changes a seed says so in
docs/log.md, and measures the last model again.
"""

__all__ = [
    "BASELINE",
    "BY_QUALITY",
    "BY_SIZE",
    "CHOSEN_PHOTOS",
    "CLIPS",
    "ENLARGED",
    "FROZEN_BENCH",
    "NETWORK_CHOICE",
    "PROBE",
    "QUANTISATION",
    "RECIPES",
    "STANDINS",
    "THRESHOLDS",
    "VALIDATION",
]

# People of the validation split.
VALIDATION = 1  # crops that follow a training run
THRESHOLDS = 3  # crops on which thresholds and calibration are chosen
NETWORK_CHOICE = (21, 22)  # benchmarks/candidates.py: crops to choose map thresholds on, and to judge by

# People of the test split.
FROZEN_BENCH = 20261122  # benchmarks/quality.py and the figures in a model's card
RECIPES = 7  # pairs by the second generation's recipes, also those of benchmarks/failures.py
BY_SIZE, ENLARGED = 9, 13  # benchmarks/scales.py
BY_QUALITY = 11  # benchmarks/gates.py

# People of the train split.
BASELINE = 5  # crops of which the mean mask is made
PROBE = 17  # benchmarks/probe.py
QUANTISATION = 19  # crops by which int8 models are calibrated

# Of any split.
CHOSEN_PHOTOS = 0  # which photos and people are taken where not all are
CLIPS, STANDINS = 11, 12  # camera moves and stand-ins of the clips that the video rule is chosen and measured on
