from __future__ import annotations

import pytest

from sinks.sql import queries


@pytest.mark.parametrize("file_name", ["writer.sql", "alerts.sql", "migrate.sql"])
def test_every_block_has_a_description_and_one_statement(file_name: str) -> None:
    for name, block in queries.load(file_name).items():
        code = b"\n".join(line.split(b"--")[0].rstrip() for line in block.splitlines()).strip()
        statements = [s for s in code.split(b";") if s.strip()]
        # psycopg takes several statements only where there are no parameters.
        assert len(statements) == 1 or b"%(" not in code, name


def test_a_file_without_blocks_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"views\.sql needs blocks"):
        queries.load("views.sql")
