"""Who may call the HTTP API, and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from olearn_core.config.addresses import is_private_way
from olearn_core.config.section import Section


class ApiSettings(Section):
    """Where the HTTP API listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    max_body_bytes: int = Field(default=1 << 20, ge=1_024)
    most_stream_readers: int = Field(default=100, ge=0)
    most_streams_of_one: int = Field(default=10, ge=0)
    ready_without_database: bool = False
    rate_requests: int = Field(default=20_000, ge=0)
    rate_seconds: int = Field(default=10, ge=1, le=3_600)
    most_wrong_credentials: int = Field(default=100, ge=0)
    request_timeout_seconds: float = Field(default=20.0, gt=0)
    most_decisions_at_once: int = Field(default=128, ge=1)
    most_outcomes_at_once: int = Field(default=1_000, ge=1)
    most_others_at_once: int = Field(default=64, ge=1)
    allowed_hosts: tuple[str, ...] = ()


class AuthSettings(Section):
    """Who may call the HTTP API."""

    enabled: bool = True
    environment: str = Field(default="live", pattern="^[a-z0-9]{1,16}$")
    bootstrap_key_file: Path = Path("./olearn-bootstrap.key")


class JwtSettings(Section):
    """Tokens of an identity provider; none are taken while no algorithm is named."""

    algorithms: tuple[Literal["HS256", "RS256", "ES256"], ...] = ()
    issuer: str = ""
    audience: str = ""
    secret: SecretStr = SecretStr("")
    jwks_url: str = ""
    jwks_lifespan_seconds: float = Field(default=300.0, ge=1)
    jwks_cooldown_seconds: float = Field(default=30.0, ge=0)
    leeway_seconds: float = Field(default=30.0, ge=0, le=300)
    scope_claim: str = Field(default="scope", min_length=1)
    scope_prefix: str = "olearn:"
    tenant_claim: str = "tenant"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.algorithms and not (self.issuer and self.audience):
            raise ValueError("issuer and audience must be told where algorithms are")
        if "HS256" in self.algorithms and len(self.secret.get_secret_value().encode()) < 32:
            raise ValueError("HS256 needs a secret of at least 32 bytes")
        if {"RS256", "ES256"} & set(self.algorithms) and not self.jwks_url:
            raise ValueError("RS256 and ES256 need a jwks_url")
        if self.jwks_url and not is_private_way(self.jwks_url):
            raise ValueError("jwks_url must begin with https://, or lead to this machine")
        return self
