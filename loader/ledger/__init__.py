"""The ledger: every load, every row that was not let in, every build, and who may come in."""
