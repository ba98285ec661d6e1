"""What can be wrong with a dataset, and which of it may be used all the same when asked for.

The doctor lists findings, and prepare refuses what has an error among them: both ask the same checks, so they agree.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tamperlens.errors import DataError

__all__ = ["ACCEPTABLE", "Finding", "Severity", "check_accepted", "refusals"]


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # wrong labels or masks, or a clip that cannot be prepared
    WARNING = "warning"  # usable, but not as it should be
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, and what to do about it."""

    severity: Severity
    code: str  # one word per kind of finding
    path: str
    message: str
    fix: str

    @property
    def advice(self) -> str:
        """What to do about it; of an error that can be accepted, that too."""
        accepted = self.severity is Severity.ERROR and self.code in ACCEPTABLE
        return f"{self.fix} (prepare --accept {self.code} uses it as it is)" if accepted else self.fix

    @property
    def refusal(self) -> str:
        """Why prepare does not use it, in a line."""
        return f"{self.message}; {self.advice}"


#: Errors in spite of which data can be prepared (`PrepareSettings.accept`), and what then comes of it.
ACCEPTABLE = {
    "background": "the mask is made although the rest of the picture differs, too",
    "codec": "the clip counts as of its folder's compression",
    "duplicate": "both clips are used",
    "frame-numbers": "frames of the same number are compared",
    "frames-apart": "frames of the same number are compared",
    "missing-partner": "the clip's crops get a label and no mask",
    "misnamed": "the file is left out",
    "noise-floor": "the mask is made although it holds noise",
    "noise-unknown": "the mask is made although nobody knows how much noise it holds",
    "partial-download": "the file is left out",
    "unchanged": "the mask is empty, and so the label is pristine",
    "unread-folder": "the folder is left out",
    "wrong-face": "the mask is made although it lies beside the face",
}


def check_accepted(codes: Collection[str]) -> None:
    """Raises ``DataError`` for codes that are no findings, or none that can be accepted."""
    if unknown := [code for code in codes if code not in ACCEPTABLE]:
        raise DataError(f"{', '.join(unknown)} cannot be accepted; what can is {', '.join(ACCEPTABLE)}")


def refusals(findings: Iterable[Finding], accepted: Collection[str]) -> list[Finding]:
    """The errors that nobody has accepted."""
    return [one for one in findings if one.severity is Severity.ERROR and one.code not in accepted]
