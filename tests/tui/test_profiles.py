"""Which service, which key, which colours."""

from __future__ import annotations

from pathlib import Path

import pytest

from olearn_tui.errors import ProfileError
from olearn_tui.profiles import Profile, profile_of, profiles_path

FILE = """
[profiles.default]
url = "http://10.0.0.1:8000"

[profiles.prod-eu]
url = "https://olearn.example"
key_variable = "PROD_KEY"
production = true

[profiles.staging]
url = "https://staging.example"
key_file = "{folder}/staging.key"
theme = "nord"

[keys]
"screen.workers" = "w"
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OLEARN_API_KEY", raising=False)
    file = tmp_path / "dashboard.toml"
    file.write_text(FILE.format(folder=tmp_path))
    (tmp_path / "staging.key").write_text("olk_staging\n")
    return file


def test_a_profile_names_service_key_and_colours(path: Path) -> None:
    chosen = profile_of("prod-eu", None, None, path, {"PROD_KEY": "olk_prod"})
    assert (chosen.name, chosen.url, chosen.production) == (
        "prod-eu",
        "https://olearn.example",
        True,
    )
    assert chosen.key == "olk_prod"
    assert chosen.keys == {"screen.workers": "w"}
    staging = profile_of("staging", None, None, path, {})
    assert (staging.key, staging.theme) == ("olk_staging", "nord")


def test_the_command_line_goes_first(path: Path) -> None:
    chosen = profile_of(None, "http://here:1", "olk_mine", path, {})
    assert (chosen.name, chosen.url, chosen.key) == ("here:1", "http://here:1", "olk_mine")


def test_a_named_profile_goes_before_the_environment(path: Path) -> None:
    environment = {"OLEARN_URL": "http://there:2", "PROD_KEY": "olk_prod"}
    chosen = profile_of("prod-eu", None, None, path, environment)
    assert (chosen.url, chosen.key) == ("https://olearn.example", "olk_prod")
    assert profile_of(None, None, None, path, environment).url == "http://there:2"
    assert profile_of(None, "http://here:1", None, path, environment).url == "http://here:1"


def test_the_key_of_a_profile_goes_to_its_own_service_only(path: Path) -> None:
    environment = {"PROD_KEY": "olk_prod"}
    elsewhere = profile_of("prod-eu", "http://there:2", None, path, environment)
    assert (elsewhere.url, elsewhere.key) == ("http://there:2", None)
    given = profile_of("prod-eu", "http://there:2", "olk_mine", path, environment)
    assert given.key == "olk_mine"
    same = profile_of("prod-eu", "https://olearn.example/", None, path, environment)
    assert same.key == "olk_prod"
    path.write_text('[profiles.default]\nurl = "http://10.0.0.1:8000"\nkey_variable = "PROD_KEY"\n')
    unnamed = profile_of(None, None, None, path, environment | {"OLEARN_URL": "http://there:2"})
    assert unnamed.key is None


def test_without_a_file_it_is_the_service_on_this_machine(tmp_path: Path) -> None:
    chosen = profile_of(None, None, "k", tmp_path / "none.toml", {})
    assert (chosen.url, chosen.production) == ("http://127.0.0.1:8000", False)


def test_the_default_profile_needs_no_name(path: Path) -> None:
    assert profile_of(None, None, None, path, {}).url == "http://10.0.0.1:8000"


def test_a_key_is_never_shown() -> None:
    assert "olk_secret" not in repr(Profile("a", "http://x", key="olk_secret"))


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("", "prod", "there is no profile 'prod'"),
        ("[profiles.a\n", "a", "is not TOML"),
        ("[profiles.a]\ncolour = 'red'\n", "a", "profiles.a.colour"),
        ("[profiles.a]\nkey_variable = 'NOT_SET'\n", "a", "set NOT_SET"),
        ("[profiles.a]\nkey_file = '/none/key'\n", "a", "/none/key cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_told(path: Path, text: str, name: str, said: str) -> None:
    path.write_text(text)
    with pytest.raises(ProfileError, match=said):
        profile_of(name, None, None, path, {})


def test_the_file_lies_where_configuration_does() -> None:
    assert profiles_path({"XDG_CONFIG_HOME": "/etc/x"}) == Path("/etc/x/olearn/dashboard.toml")
