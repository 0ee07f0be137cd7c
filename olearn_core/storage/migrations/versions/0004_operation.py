"""operation: keys of callers, retired agents, nodes, and offsets for decisions"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'

SERIAL = sa.BigInteger().with_variant(sa.Integer, 'sqlite')
COLUMNS = 'nonce, issued_at, record'


def upgrade() -> None:
    _add_credentials()
    _add_agents_and_nodes()
    _add_decision_log()


def downgrade() -> None:
    _drop_decision_log()
    _drop_agents_and_nodes()
    _drop_credentials()


def _add_credentials() -> None:
    op.create_table(
        'api_keys',
        sa.Column('id', sa.String(length=12), nullable=False),
        sa.Column('digest', sa.LargeBinary(), nullable=False),
        sa.Column('tenant', sa.String(length=128), nullable=False),
        sa.Column('scopes', sa.JSON(), nullable=False),
        sa.Column('label', sa.String(length=128), nullable=False),
        sa.Column('created_at', sa.Float(), nullable=False),
        sa.Column('expires_at', sa.Float(), nullable=True),
        sa.Column('revoked_at', sa.Float(), nullable=True),
        sa.Column('last_used_at', sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_table(
        'key_peppers',
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('secret', sa.LargeBinary(), nullable=False),
        sa.Column('created_at', sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint('number'),
    )
    op.create_index('dead_letters_tenant', 'dead_letters', ['tenant', 'id'])


def _drop_credentials() -> None:
    op.drop_index('dead_letters_tenant', 'dead_letters')
    op.drop_table('key_peppers')
    op.drop_table('api_keys')


def _add_agents_and_nodes() -> None:
    op.create_table(
        'retired_agents',
        sa.Column('tenant', sa.String(length=128), nullable=False),
        sa.Column('agent', sa.String(length=128), nullable=False),
        sa.Column('retired_at', sa.Float(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('tenant', 'agent'),
    )
    op.create_table(
        'nodes',
        sa.Column('instance', sa.String(length=128), nullable=False),
        sa.Column('role', sa.String(length=16), nullable=False),
        sa.Column('olearn_version', sa.String(length=64), nullable=False),
        sa.Column('state', sa.JSON(), nullable=False),
        sa.Column('started_at', sa.Float(), nullable=False),
        sa.Column('seen_at', sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint('instance'),
    )


def _drop_agents_and_nodes() -> None:
    op.drop_table('nodes')
    op.drop_table('retired_agents')


def _add_decision_log() -> None:
    op.create_table(
        'decision_log',
        sa.Column('offset', SERIAL, nullable=False),
        sa.Column('nonce', sa.String(length=24), nullable=False),
        sa.Column('issued_at', sa.Float(), nullable=False),
        sa.Column('record', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('offset'),
        sa.UniqueConstraint('nonce', name='decision_log_nonce'),
        sqlite_autoincrement=True,
    )
    op.create_index('decision_log_issued', 'decision_log', ['issued_at'])
    op.execute(
        f'INSERT INTO decision_log ({COLUMNS})'
        f' SELECT {COLUMNS} FROM decisions ORDER BY issued_at, nonce'
    )
    op.drop_index('decisions_issued', 'decisions')
    op.drop_table('decisions')


def _drop_decision_log() -> None:
    op.create_table(
        'decisions',
        sa.Column('nonce', sa.String(length=24), nullable=False),
        sa.Column('issued_at', sa.Float(), nullable=False),
        sa.Column('record', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('nonce'),
    )
    op.create_index('decisions_issued', 'decisions', ['issued_at'])
    op.execute(f'INSERT INTO decisions ({COLUMNS}) SELECT {COLUMNS} FROM decision_log')
    op.drop_index('decision_log_issued', 'decision_log')
    op.drop_table('decision_log')
