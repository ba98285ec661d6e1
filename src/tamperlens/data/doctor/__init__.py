"""What is wrong with a dataset, found before days are spent on it."""

from tamperlens.data.doctor.checks import Finding, Severity
from tamperlens.data.doctor.doctor import examine, exit_code

__all__ = ["Finding", "Severity", "examine", "exit_code"]
