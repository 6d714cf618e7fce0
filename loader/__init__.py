"""The door of the warehouse: takes rows from every source, judges them by the
dbt project's own source files, and writes what passes into staging tables."""

__version__ = "0.1.0"
