"""What `frames` and `detections` are split into: partitions, or a hypertable's chunks."""

from __future__ import annotations

from datetime import datetime

import psycopg

_PARTITIONS = """
    SELECT part.oid::regclass::text,
        substring(pg_get_expr(part.relpartbound, part.oid) FROM 'FROM \\(''([^'']+)''')::timestamptz
    FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid
    WHERE inhparent IN ('frames'::regclass, 'detections'::regclass) AND part.relispartition
"""
_CHUNKS = """
    SELECT format('%I.%I', chunk_schema, chunk_name), range_start
    FROM timescaledb_information.chunks
    WHERE hypertable_name IN ('frames', 'detections')
"""


def pieces(connection: psycopg.Connection) -> dict[str, datetime]:
    """Where each piece begins, by its name as SQL takes it."""
    query = _CHUNKS if has_timescale(connection) else _PARTITIONS
    return dict(connection.execute(query.encode()).fetchall())


def begins(connection: psycopg.Connection) -> list[datetime]:
    """Where the piece of each row of `frames` begins, by capture time."""
    found = pieces(connection)
    rows = connection.execute("SELECT tableoid::regclass::text FROM frames ORDER BY captured_at")
    return [found[name] for (name,) in rows]


def drop_pieces(connection: psycopg.Connection) -> None:
    """All of them, as retention does: the rows with them."""
    if has_timescale(connection):
        for table in ("frames", "detections"):
            connection.execute("SELECT drop_chunks(%s, 'infinity'::timestamptz)", [table])
        return
    for name in pieces(connection):
        connection.execute(f"DROP TABLE {name}".encode())


def has_timescale(connection: psycopg.Connection) -> bool:
    found = connection.execute("SELECT FROM pg_extension WHERE extname = 'timescaledb'")
    return found.fetchone() is not None
