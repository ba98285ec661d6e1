"""What is wrong with a dataset, found before days are spent on it."""

from tamperlens.data.doctor.doctor import examine, exit_code
from tamperlens.data.prepare.findings import Finding, Severity

__all__ = ["Finding", "Severity", "examine", "exit_code"]
