"""Which service, with which key and colours: from the command line, the environment, a file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from olearn_core.client.keys import found_key
from olearn_tui.errors import ProfileError

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "OLEARN_URL"


class ProfileBody(BaseModel):
    """One `[profiles.NAME]` of the file."""

    model_config = ConfigDict(extra="forbid")

    url: str = DEFAULT_URL
    key_file: Path | None = None
    key_variable: str | None = None
    production: bool = False
    theme: str | None = None


class ProfilesFile(BaseModel):
    """The whole file: profiles, and keys by the ids of what they do."""

    model_config = ConfigDict(extra="forbid")

    profiles: dict[str, ProfileBody] = {}
    keys: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Profile:
    """
    What one dashboard works with.

    :param key: of the API; never shown
    :param production: whether to warn by a red theme
    :param keys: other keys for actions, by the ids of their bindings
    """

    name: str
    url: str
    key: str | None = field(default=None, repr=False)
    production: bool = False
    theme: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)


def profiles_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the file is looked for: `$XDG_CONFIG_HOME/olearn/dashboard.toml`."""
    home = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "olearn" / "dashboard.toml"


def profile_of(
    name: str | None,
    url: str | None,
    key: str | None,
    path: Path,
    environment: Mapping[str, str] = os.environ,
) -> Profile:
    """
    Return what to work with; the command line goes before the file.

    A named profile goes before $OLEARN_URL, and $OLEARN_URL before the default one. A
    profile's key is shown to the profile's service only. Where there is no key it is
    $OLEARN_API_KEY, or for a service on this machine the one that it has written itself.

    :raises ProfileError: where the file cannot be read or does not know the profile
    """
    read = _read(path)
    if name is not None and name not in read.profiles:
        known = ", ".join(sorted(read.profiles)) or "none"
        raise ProfileError(f"there is no profile {name!r} in {path}: it has {known}")
    chosen = read.profiles.get(name or "default", ProfileBody())
    used = url or (name and chosen.url) or environment.get(URL_VARIABLE) or chosen.url
    return Profile(
        name=name or used.removeprefix("http://").removeprefix("https://"),
        url=used,
        key=key or _key(chosen, used, environment) or found_key(used),
        production=chosen.production,
        theme=chosen.theme,
        keys=read.keys,
    )


def _read(path: Path) -> ProfilesFile:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ProfilesFile()
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} cannot be read: {error}") from error
    try:
        return ProfilesFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first: Any = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ProfileError(f"{path}: {where}: {first['msg']}") from error


def _key(profile: ProfileBody, used: str, environment: Mapping[str, str]) -> str | None:
    if used.rstrip("/") != profile.url.rstrip("/"):
        return None  # it is meant for the profile's service, not for whichever is named instead
    if profile.key_variable is not None:
        key = environment.get(profile.key_variable)
        if not key:
            raise ProfileError(f"set {profile.key_variable}: the profile has its key from there")
        return key
    if profile.key_file is None:
        return None
    try:
        return profile.key_file.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"the key in {profile.key_file} cannot be read: {error}") from error
