"""The `loader` command's groups, one file each; `loader.cli` puts them together."""
