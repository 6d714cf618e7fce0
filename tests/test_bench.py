"""The benchmarks run, and print a line for each thing that they measure. (What they measure is no test's matter.)"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

LINES = 7  # of ratios; dlt's is not among them, which is not installed here


@pytest.mark.deep
def test_the_benchmarks_print_a_ratio_for_each_line() -> None:
    small = ["intake", "--rows", "6000", "--rounds", "1", "--large", "12000", "--calls", "5"]
    run = subprocess.run(
        [sys.executable, "-m", "bench", *small], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    ratios = re.findall(r"^.{46} +(\d+\.\d\d) +\d\.\d\d +\d\.\d\d", run.stdout, re.MULTILINE)
    assert len(ratios) == LINES
    assert all(float(ratio) > 0 for ratio in ratios)
    assert "all of 6,000 rows refused and kept" in run.stdout
    assert re.search(r"12,000 rows: \d+ MB", run.stdout)


@pytest.mark.deep
def test_the_benchmarks_of_builds_print_what_they_measured() -> None:
    small = ["builds", "--scales", "0.01", "--data", "sample", "--rounds", "1"]
    run = subprocess.run(
        [sys.executable, "-m", "bench", *small], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    for what in ("first `loader build`", "1 % more", "an order with its lines", "nothing new", "disk of", "of psql"):
        assert re.search(rf"^.*{what}.* +\d+\.\d+ (s|%|×) ", run.stdout, re.MULTILINE), what + run.stdout
