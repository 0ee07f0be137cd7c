"""Who calls: API keys, tokens of an identity provider, and what each may do."""

from __future__ import annotations

from olearn_core.auth.credential import ANYBODY, OPERATOR, SCOPES, Credential, Scope

__all__ = ["ANYBODY", "OPERATOR", "SCOPES", "Credential", "Scope"]
