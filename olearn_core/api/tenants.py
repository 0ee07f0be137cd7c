"""Tenants that operators name: a mistyped one is no empty one."""

from __future__ import annotations

from olearn_core.errors import NotFoundError
from olearn_core.events import DEFAULT
from olearn_core.service import Service
from olearn_core.storage.tenants import TenantStore


async def must_be_known(service: Service, tenant: str) -> None:
    """
    Make sure that there is something of a tenant: outcomes, decisions, settings or a key.

    :raises NotFoundError: where there is nothing
    """
    if tenant == DEFAULT or tenant in service.settings.decisions.tenants:
        return
    if tenant in service.view.tenants or service.view.returns(tenant).decided.size:
        return
    if await TenantStore(service.database).has(tenant):
        return
    raise NotFoundError(
        f"there is no tenant {tenant!r}: no key belongs to it, and nothing of it was learned yet;"
        " `olearn keys list` shows who has keys, its first outcome or decision makes it one"
    )
