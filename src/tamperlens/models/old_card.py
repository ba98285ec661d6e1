"""Model cards of the first format, whose results were named by captions, as values of today's.

The one place where a caption is read, and only of cards that were written before rows had fields.
"""

import re
from typing import Any

__all__ = ["upgraded"]

_TABLES = {"test": "crops", "groups": "groups", "video": "clips"}
_CAPTIONS = {
    "crops": re.compile(r"(?P<subset>[\w ]+), (?P<delivery>.+)"),
    "photos": re.compile(r"(?P<subset>pristine): (?P<source>[^,]+), (?P<control>.+)"),
    "groups": re.compile(r"(?P<group>.+), (?P<control>[^,]+)"),
    "clips": re.compile(r"(?P<subset>[\w ]+): (?P<source>[^,]+), (?P<delivery>.+)"),
}


def upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """A card's values in today's format, but for the rates of false alarms.

    Values of the first format are translated, all others are returned as they are.

    Raises ``ValueError`` for a row whose caption cannot be read.
    """
    results = values.get("results")
    training = values.get("training")
    if "format" in values or not (isinstance(results, dict) or (isinstance(training, dict) and "config" in training)):
        return values
    results, training = dict(results or {}), dict(training or {})
    config = training.get("config", {})
    config = config if isinstance(config, dict) else {}
    rows = [_row(_TABLES[name], row) for name in _TABLES for row in results.get(name, [])]
    upgrade = {
        "families": {"trained": config.get("families", ()), "unseen": results.get("unseen_families", ())},
        "calibration_error": results.get("expected_calibration_error_on_validation"),
        "validation": results.get("validation_during_training", {}),
        "results": rows,
    }
    if config.get("policy", "auto") != "auto":
        upgrade["crop_policy"] = config["policy"]
    return values | upgrade


def _row(table: str, row: dict[str, Any]) -> dict[str, Any]:
    caption = row["subset"]
    table = "photos" if table == "crops" and caption.startswith("pristine: ") else table
    found = _CAPTIONS[table].fullmatch(caption)
    if not found:
        raise ValueError(f"results: the row {caption!r} of an old card cannot be read; measure the model again")
    return {"table": table, **found.groupdict(), **{name: row[name] for name in ("metric", "value", "low", "high", "n")}}
