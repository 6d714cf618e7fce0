"""What a build has made, told apart from what another build made."""

from __future__ import annotations

import sqlalchemy as sa


def checksums(engine: sa.Engine) -> dict[str, tuple[int, str]]:
    """Rows and a hash of them, of each table that the build makes for dimensions, facts and marts."""
    query = """
        select format('%I.%I', table_schema, table_name) from information_schema.tables
        where table_type = 'BASE TABLE' and (table_schema = 'warehouse' or table_schema like 'mart%\\_\\_build')
    """
    made = 'select count(*), md5(string_agg(made::text, chr(10) order by made::text collate "C")) from {} as made'
    with engine.connect() as connection:
        names = connection.scalars(sa.text(query)).all()
        found = {name: connection.execute(sa.text(made.format(name))).one() for name in names}
    return {name: (rows, content) for name, (rows, content) in found.items()}
