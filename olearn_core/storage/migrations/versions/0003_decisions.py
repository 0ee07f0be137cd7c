"""decisions: the log of what was decided"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    op.create_table(
        'decisions',
        sa.Column('nonce', sa.String(length=24), nullable=False),
        sa.Column('issued_at', sa.Float(), nullable=False),
        sa.Column('record', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('nonce'),
    )
    op.create_index('decisions_issued', 'decisions', ['issued_at'])


def downgrade() -> None:
    op.drop_index('decisions_issued', 'decisions')
    op.drop_table('decisions')
