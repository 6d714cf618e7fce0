"""Benchmarks. They print ratios to a yardstick that runs in turn with what is measured."""
