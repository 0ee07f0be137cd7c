"""The tables. Times are Unix seconds, offsets and sums 64-bit integers."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

Serial = BigInteger().with_variant(Integer, "sqlite")

shards = Table(
    "shards",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("source", String(32), nullable=False),
    Column("topic", String(249), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False, default=0),
    Column("next_offset", BigInteger),
    Column("owner", String(128)),
    Column("owner_group", String(255)),
    Column("version", BigInteger, nullable=False, default=0),
    Column("base_version", BigInteger, nullable=False, default=0),
    Column("reset_version", BigInteger, nullable=False, default=0),
    Column("counters", JSON, nullable=False, default=dict),
    Column("cluster_id", String(128)),
    Column("fingerprint", String(64)),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("source", "topic", "partition"),
)

shard_bases = Table(
    "shard_bases",
    metadata,
    Column("shard_id", ForeignKey(shards.c.id), primary_key=True),
    Column("tenant", String(128), primary_key=True),
    Column("tier", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("sums", LargeBinary, nullable=False),
)

shard_deltas = Table(
    "shard_deltas",
    metadata,
    Column("shard_id", ForeignKey(shards.c.id), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("sums", LargeBinary, nullable=False),
    Column("executions", LargeBinary, nullable=False),
    Column("ratings", LargeBinary, nullable=False),
)

dedup_segments = Table(
    "dedup_segments",
    metadata,
    Column("shard_id", ForeignKey(shards.c.id), primary_key=True),
    Column("part", String(16), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)

learning_events = Table(
    "learning_events",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("tenant", String(128)),
    Column("shard_id", ForeignKey(shards.c.id)),
    Column("epoch", BigInteger),
    Column("version", BigInteger),
    Column("from_offset", BigInteger),
    Column("to_offset", BigInteger),
    Column("skipped_offsets", JSON),
    Column("batch_size", Integer, nullable=False, default=0),
    Column("samples", Integer, nullable=False, default=0),
    Column("executions", Integer, nullable=False, default=0),
    Column("success_milli", BigInteger, nullable=False, default=0),
    Column("joined", Integer, nullable=False, default=0),
    Column("joined_success_milli", BigInteger, nullable=False, default=0),
    Column("duplicates", Integer, nullable=False, default=0),
    Column("dead_letters", Integer, nullable=False, default=0),
    Column("details", JSON, nullable=False, default=dict),
    Column("metrics_before", JSON),
    Column("metrics_after", JSON),
    Column("improvement", Float),
    Column("duration_ms", Float),
    Column("reference_at", Float),
    Column("created_at", Float, nullable=False),
    Index("learning_events_created", "created_at"),
    Index("learning_events_shard", "shard_id", "version"),
    Index("learning_events_kind", "kind", "created_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("source", String(32), nullable=False),
    Column("topic", String(249), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("tenant", String(128)),
    Column("reason", Text, nullable=False),
    Column("pointer", Text, nullable=False),
    Column("payload_head", LargeBinary, nullable=False),
    Column("payload_bytes", Integer, nullable=False),
    Column("payload_sha256", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("retried_at", Float),
    UniqueConstraint("source", "topic", "partition", "offset"),
    Index("dead_letters_tenant", "tenant", "id"),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model_type", String(128), nullable=False),
    Column("version_number", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("training_samples", BigInteger, nullable=False),
    Column("artifact", LargeBinary, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("covered_offsets", JSON, nullable=False),
    Column("parent_version_id", ForeignKey("model_versions.id")),
    Column("newest_adjustment", BigInteger, nullable=False, default=0, server_default="0"),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("model_type", "version_number"),
)

adjustments = Table(
    "adjustments",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model_type", String(128), nullable=False),
    Column("tenant", String(128), nullable=False),
    Column("sums", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rollback_id", BigInteger),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("rollback_id", "model_type", "tenant", name="adjustments_rollback"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("expires_at", Float, nullable=False),
)

outcome_log = Table(
    "outcome_log",
    metadata,
    Column("offset", Serial, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

decision_log = Table(
    "decision_log",
    metadata,
    Column("offset", Serial, primary_key=True),
    Column("nonce", String(24), nullable=False),
    Column("issued_at", Float, nullable=False),
    Column("record", LargeBinary, nullable=False),
    UniqueConstraint("nonce", name="decision_log_nonce"),
    Index("decision_log_issued", "issued_at"),
    sqlite_autoincrement=True,
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)

retired_agents = Table(
    "retired_agents",
    metadata,
    Column("tenant", String(128), primary_key=True),
    Column("agent", String(128), primary_key=True),
    Column("retired_at", Float, nullable=False),
    Column("reason", Text, nullable=False),
)

nodes = Table(
    "nodes",
    metadata,
    Column("instance", String(128), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("olearn_version", String(64), nullable=False),
    Column("state", JSON, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("tenant", String(128), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("label", String(128), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("last_used_at", Float),
)

key_peppers = Table(
    "key_peppers",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)
