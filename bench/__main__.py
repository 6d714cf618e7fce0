"""`python -m bench [ROWS] [ROUNDS]`: every benchmark there is."""

from __future__ import annotations

import sys

from bench import intake

if __name__ == "__main__":
    rows, rounds = [int(text) for text in sys.argv[1:3]] + [1_000_000, 5][len(sys.argv[1:3]) :]
    intake.main(rows, rounds)
