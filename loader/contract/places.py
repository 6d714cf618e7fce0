"""Where in the YAML files each table and column stands; faults that only YAML shows.

Only positions are taken from here: what the files mean is dbt's to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from loader.contract.faults import Fault


@dataclass
class Places:
    """(file, line) by (source, table) and by (source, table, column)."""

    tables: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    columns: dict[tuple[str, str, str], tuple[str, int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def find_places(project_dir: Path, project: dict[str, Any]) -> Places:
    """Read every YAML file under the model paths for positions.

    Broken YAML and names given twice become faults with file and line.
    """
    places = Places()
    for folder in project.get("model-paths") or ["models"]:
        for path in sorted((project_dir / folder).rglob("*")):
            if path.suffix in (".yml", ".yaml") and path.is_file():
                _read_file(path, str(path.relative_to(project_dir)), places)
    return places


def _read_file(path: Path, name: str, places: Places) -> None:
    try:
        root = yaml.compose(path.read_text("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        places.faults.append(Fault(f"the file is not UTF-8 (byte {error.start})", "save it as UTF-8", name))
        return
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        words = str(getattr(error, "problem", None) or error)
        places.faults.append(
            Fault(
                f"broken YAML: {words}",
                "mend the indentation or quoting at this line",
                name,
                mark.line + 1 if mark else None,
            )
        )
        return
    for source in items(root, "sources"):
        _read_source(source, name, places)


def _read_source(source: yaml.Node, name: str, places: Places) -> None:
    source_name = _text(source, "name")
    if source_name is None:
        return
    for table in items(source, "tables"):
        table_name = _text(table, "name")
        if table_name is None:
            continue
        key = (source_name, table_name)
        if key in places.tables:
            first = places.tables[key]
            places.faults.append(
                Fault(
                    f"the table is declared twice, first at {first[0]}:{first[1]}",
                    "keep one of the two, or rename one",
                    name,
                    _line(table),
                    f"{source_name}.{table_name}",
                )
            )
            continue
        places.tables[key] = (name, _line(table))
        for column in items(table, "columns"):
            column_name = _text(column, "name")
            if column_name is None:
                continue
            place = (source_name, table_name, column_name)
            if place in places.columns:
                places.faults.append(
                    Fault(
                        f"the column is declared twice, first at line {places.columns[place][1]}",
                        "keep one of the two",
                        name,
                        _line(column),
                        f"{source_name}.{table_name}",
                        column_name,
                    )
                )
            places.columns.setdefault(place, (name, _line(column)))


def items(node: yaml.Node | None, key: str) -> list[yaml.Node]:
    """The members of the sequence under a key of a mapping; none where there is none."""
    value = get(node, key)
    return list(value.value) if isinstance(value, yaml.SequenceNode) else []


def get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """What stands under a key of a mapping."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == key and isinstance(value, yaml.Node):
                return value
    return None


def _text(node: yaml.Node, key: str) -> str | None:
    value = get(node, key)
    return value.value if isinstance(value, yaml.ScalarNode) else None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
