"""Who calls, on whose behalf, and whether they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from olearn_core.api.guesses import Guesses
from olearn_core.api.parameters import ParametersError
from olearn_core.api.problems import on_database_error, on_olearn_error
from olearn_core.auth import Credential
from olearn_core.auth.authenticator import Authenticator
from olearn_core.errors import AuthenticationError, EventError, ForbiddenError, OlearnError
from olearn_core.events import DEFAULT, checked_name
from olearn_core.schemas import FieldProblem

TENANT_HEADER: Final = b"olearn-tenant"
OPEN_PATHS: Final = frozenset({"/livez", "/healthz", "/readyz", "/openapi.json", "/docs"})
OPEN_FOLDER: Final = "/docs/"
CALLER: Final = "olearn.caller"


@dataclass(frozen=True, slots=True)
class Caller:
    """
    A recognised caller.

    :param tenant: whose agents and outcomes the request is about
    :param confined_to: the tenant whose things alone it may see, None for an operator
        that names no tenant
    """

    credential: Credential
    tenant: str
    confined_to: str | None


class Authentication:
    """
    Lets nobody through to the application who is not recognised.

    Every path is closed but those that are named here, so a new route is as well.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator, guesses: Guesses) -> None:
        self._app = app
        self._authenticator = authenticator
        self._guesses = guesses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            shown, tenant = _told(scope)
            credential = await self._recognised(scope, shown)
            scope[CALLER] = caller(credential, tenant)
        except OlearnError as error:
            response = await on_olearn_error(Request(scope), error)
        except SQLAlchemyError as error:
            response = await on_database_error(Request(scope), error)
        else:
            await self._app(scope, receive, send)
            return
        await response(scope, receive, send)

    async def _recognised(self, scope: Scope, shown: bytes | None) -> Credential:
        try:
            return await self._authenticator.credential(shown)
        except AuthenticationError as error:
            await self._guesses.note(scope, error)
            raise


def is_open(path: str) -> bool:
    """Tell whether everybody may ask for a path."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def caller(credential: Credential, named_tenant: bytes | None) -> Caller:
    """
    Return the caller, on behalf of its own tenant or of the one an operator names.

    :param named_tenant: the header's value, percent-encoded UTF-8
    :raises ForbiddenError: where it names another's
    :raises ParametersError: where that is no name
    """
    tenant = None if named_tenant is None else _tenant(named_tenant)
    if credential.is_operator:
        return Caller(credential, tenant or DEFAULT, tenant)
    if tenant not in (None, credential.tenant):
        raise ForbiddenError("the credential belongs to another tenant than Olearn-Tenant names")
    return Caller(credential, credential.tenant, credential.tenant)


def authorize(caller: Caller, scope: str, *, operator: bool = False) -> None:
    """
    Make sure that a caller may do this.

    :raises ForbiddenError: where not
    """
    if operator and not caller.credential.is_operator:
        raise ForbiddenError(
            "this is for operators: make a key with `olearn keys create --operator`"
        )
    if scope not in caller.credential.scopes:
        raise ForbiddenError(f"the credential lacks the scope {scope!r}", scope)


def caller_of(request: Request) -> Caller:
    """Return who sends a request that has come through `Authentication`."""
    found: Caller = request.scope[CALLER]
    return found


def shown_by(request: Request) -> bytes | None:
    """Return the key or token that a request bears."""
    return _told(request.scope)[0]


def _told(scope: Scope) -> tuple[bytes | None, bytes | None]:
    """Return what stands behind `Authorization: Bearer`, and the tenant that is named."""
    shown = tenant = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, text = value.partition(b" ")
            shown = text.strip() if kind.lower() == b"bearer" else None
        elif name == TENANT_HEADER:
            tenant = value
    return shown, tenant


def _tenant(text: bytes) -> str:
    try:
        return checked_name(unquote(text.decode("latin-1"), errors="strict"), "")
    except (EventError, UnicodeDecodeError) as error:
        named = FieldProblem(parameter="Olearn-Tenant", detail=f"is not a tenant's name: {error}")
        raise ParametersError("header", [named]) from None
