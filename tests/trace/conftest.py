"""The lab of the intake's tests: one database a worker."""

from tests.intake.conftest import lab_engine

__all__ = ["lab_engine"]
