"""Demonstration data. Nothing in `loader/` or `dbt_project/` imports from here."""
