"""The HTML report of a run."""

from oars.report.page import write_report

__all__ = ["write_report"]
