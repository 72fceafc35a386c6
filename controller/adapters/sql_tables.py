"""Which tables does the journal have? The migrations build these; queries are written on them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()

RUNS = Table(
    "runs",
    METADATA,
    Column("run", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("alive_at", Float(53), nullable=False),
    Column("ended_at", Float(53)),
    Column("status", String(20)),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("run", String(40), ForeignKey("runs.run"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("at", Float(53), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("body", Text, nullable=False),
)

FENCES = Table(
    "fences",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

IDEMPOTENCY = Table(
    "idempotency",
    METADATA,
    Column("key", String(200), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("run", String(40), ForeignKey("runs.run"), nullable=False),
)

ARTEFACTS = Table(
    "artefacts",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
