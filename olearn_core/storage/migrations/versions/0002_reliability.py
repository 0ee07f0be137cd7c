"""reliability: whose log a shard has read, retried dead letters, rollbacks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    with op.batch_alter_table('shards', schema=None) as batch_op:
        batch_op.add_column(sa.Column('cluster_id', sa.String(length=128), nullable=True))
        batch_op.add_column(sa.Column('fingerprint', sa.String(length=64), nullable=True))
    with op.batch_alter_table('dead_letters', schema=None) as batch_op:
        batch_op.add_column(sa.Column('retried_at', sa.Float(), nullable=True))
    with op.batch_alter_table('model_versions', schema=None) as batch_op:
        batch_op.add_column(
            sa.Column('newest_adjustment', sa.BigInteger(), server_default='0', nullable=False)
        )
    with op.batch_alter_table('adjustments', schema=None) as batch_op:
        batch_op.add_column(sa.Column('rollback_id', sa.BigInteger(), nullable=True))
        batch_op.create_unique_constraint(
            'adjustments_rollback', ['rollback_id', 'model_type', 'tenant']
        )
    op.create_index('learning_events_kind', 'learning_events', ['kind', 'created_at'])


def downgrade() -> None:
    op.drop_index('learning_events_kind', 'learning_events')
    with op.batch_alter_table('adjustments', schema=None) as batch_op:
        batch_op.drop_constraint('adjustments_rollback', type_='unique')
        batch_op.drop_column('rollback_id')
    with op.batch_alter_table('model_versions', schema=None) as batch_op:
        batch_op.drop_column('newest_adjustment')
    with op.batch_alter_table('dead_letters', schema=None) as batch_op:
        batch_op.drop_column('retried_at')
    with op.batch_alter_table('shards', schema=None) as batch_op:
        batch_op.drop_column('fingerprint')
        batch_op.drop_column('cluster_id')
