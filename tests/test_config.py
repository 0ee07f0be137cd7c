"""Configuration: every key has a default, the environment overrides, mistakes are named."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from olearn_core.config import OLDER_NAMES, Settings, load_settings, masked, masked_url
from olearn_core.errors import ConfigError
from olearn_core.plugins import Plugins

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str) -> Path:
    path = Path("config.toml")
    path.write_text(text)
    return path


def keys(settings: Settings) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, values in settings.model_dump().items()
        for key, value in values.items()
        if section != "models"
    }


def test_with_nothing_configured_it_runs_on_the_embedded_log_and_sqlite() -> None:
    settings = load_settings()
    assert settings.database.is_sqlite
    assert settings.database.upgrades_on_start
    assert not settings.kafka.in_use
    assert settings.api.host == "127.0.0.1"
    assert settings.learning.batch_size == 10
    assert settings.learning.batch_timeout_seconds == 0.2
    assert settings.learning.checkpoint_interval_seconds == 0.2
    assert settings.versions.save_interval_seconds == 300
    assert settings.versions.storage_path == Path("models")


def test_the_file_at_the_root_shows_every_key_with_its_default() -> None:
    shown = tomllib.loads((ROOT / "config.toml").read_text())
    shown.pop("models", None)
    names = {f"{section}.{key}" for section, values in shown.items() for key in values}
    optional = (
        {"kafka.enabled", "database.upgrade_on_start"}
        | {
            f"decisions.{name}"
            for name in (
                "default_agent",
                "preset",
                "limits",
                "cheapest_within",
                "budget_usd_per_hour",
            )
        }
        | {"decisions.default_reward"}
    )
    assert names | optional >= keys(Settings()).keys()
    assert keys(load_settings(ROOT / "config.toml")) == keys(Settings())


def test_the_file_at_the_root_shows_every_option_of_the_models_with_its_default() -> None:
    shown = tomllib.loads((ROOT / "config.toml").read_text())["models"]
    made = Plugins.found().made({})
    options = {name: model.options.model_dump(mode="json") for name, model in made.items()}
    assert shown == {name: values for name, values in options.items() if values}


def test_outcomes_and_decisions_have_topics_of_their_own() -> None:
    with pytest.raises(ConfigError, match="different topics"):
        load_settings(kafka={"decisions_topic": "agent-outcomes"})


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("OLEARN_API__PORT", "9000", "api.port", 9000),
        ("OLEARN_LEARNING__CONTEXT_KEYS", '["a"]', "learning.context_keys", ("a",)),
        ("OLEARN_KAFKA__ENABLED", "false", "kafka.enabled", False),
        ("OLEARN_DECISIONS__WEIGHTS", '{"cost": 1}', "decisions.weights", {"cost": 1.0}),
    ],
)
def test_the_environment_overrides_the_file(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, key: str, expected: object
) -> None:
    written("[api]\nport = 7000\n")
    monkeypatch.setenv(name, value)
    assert keys(load_settings())[key] == expected


OLDER_VALUES = {
    "ENABLE_KAFKA": ("true", True),
    "KAFKA_BOOTSTRAP_SERVERS": ("broker:9092", "broker:9092"),
    "KAFKA_OUTCOME_TOPIC": ("o", "o"),
    "KAFKA_METRICS_TOPIC": ("m", "m"),
    "KAFKA_ALERTS_TOPIC": ("a", "a"),
    "MODEL_BATCH_SIZE": ("77", 77),
    "MODEL_BATCH_TIMEOUT": ("1.5", 1.5),
    "MODEL_STORAGE_PATH": ("/m", Path("/m")),
    "MODEL_SAVE_INTERVAL": ("60", 60.0),
}


@pytest.mark.parametrize("name", OLDER_NAMES)
def test_older_names_keep_working(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text, expected = OLDER_VALUES[name]
    monkeypatch.setenv(name, text)
    section, key = OLDER_NAMES[name]
    assert keys(load_settings())[f"{section}.{key}"] == expected


def test_the_rank_is_code_then_environment_then_older_names_then_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written("[learning]\nbatch_size = 1\nslice_size = 5\n")
    assert load_settings().learning.batch_size == 1
    monkeypatch.setenv("MODEL_BATCH_SIZE", "2")
    assert load_settings().learning.batch_size == 2
    monkeypatch.setenv("OLEARN_LEARNING__BATCH_SIZE", "3")
    assert load_settings().learning.batch_size == 3
    given = load_settings(learning={"batch_size": 4}).learning
    assert (given.batch_size, given.slice_size) == (4, 5), "other keys of the section stay"


def test_naming_servers_turns_kafka_on_and_enabled_turns_it_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    assert load_settings().kafka.in_use
    monkeypatch.setenv("ENABLE_KAFKA", "false")
    assert not load_settings().kafka.in_use


JWT = '[jwt]\nissuer = "https://idp.example"\naudience = "olearn"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[api]\nprot = 1\n", "api.prot: there is no such key, but port"),
        ("[api]\nbeauty = 1\n", "api.beauty: there is no such key$"),
        ("[kafka]\ndecisions_topic = 'agent-outcomes'\n", "kafka: decisions_topic and"),
        (
            "[database]\nurl = 'postgres://db/x'\n",
            "database.url: it begins with postgres",
        ),
        ("[database]\nurl = 'postgresql://db/x'\n", "database.url: it begins with"),
        ("[apy]\nport = 1\n", "apy"),
        ("[api]\nport = 70000\n", "api.port"),
        ('[auth]\nenvironment = "Live"\n', "auth.environment"),
        ('[jwt]\nalgorithms = ["none"]\n', "jwt.algorithms"),
        ('[jwt]\nalgorithms = ["HS512"]\n', "jwt.algorithms"),
        ('[jwt]\nalgorithms = ["HS256"]\n', "issuer and audience"),
        (f'{JWT}algorithms = ["HS256"]\nsecret = "{"s" * 31}"\n', "32 bytes"),
        (f'{JWT}algorithms = ["RS256"]\n', "jwks_url"),
        (f'{JWT}algorithms = ["ES256"]\njwks_url = "http://idp.example/k"\n', "https"),
        (f'{JWT}jwks_url = "file:///etc/keys"\n', "https"),
        ("[kafka.topic_tenants]\noutcomes = []\n", "kafka.topic_tenants.outcomes"),
        ("[api]\nport = 'x'\n[learning]\nbatch_size = 0\n", "learning.batch_size"),
        ("[kafka]\nstart = 'middle'\n", "kafka.start"),
        ("[decisions.weights]\nbeauty = 1\n", "beauty"),
        ("[decisions.weights]\nsuccess = 0\n", "decisions.weights"),
        ("[decisions]\nexploration_floor = nan\n", "exploration_floor"),
        ("[learning]\nbatch_timeout_seconds = 0\n", "batch_timeout_seconds"),
        ("not toml", "config.toml"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, said: str) -> None:
    written(text)
    with pytest.raises(ConfigError, match=said):
        load_settings()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("OLEARN_APY__PORT", "apy"),
        ("OLEARN_API__PROT", "api.prot"),
        ("OLEARN_API__PORT", "api.port"),
        ("OLEARN_API_PORT", "write OLEARN_API__PORT, with two underscores"),
    ],
)
def test_a_mistake_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigError, match=said):
        load_settings()


def test_variables_that_mean_no_key_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLEARN_API_KEY", "olk_live_x")
    monkeypatch.setenv("OLEARN_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("OLEARN_API_PORT", "tcp://10.0.0.1:8000")  # as Kubernetes tells of services
    assert keys(load_settings()) == keys(Settings())


def test_the_password_of_a_wrong_database_url_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(database={"url": "postgres://me:s3cret@host/db"})
    assert "s3cret" not in str(refused.value)


def test_a_file_that_was_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_settings(Path("nowhere.toml"))
    monkeypatch.setenv("OLEARN_CONFIG", "elsewhere.toml")
    with pytest.raises(ConfigError, match=r"elsewhere\.toml"):
        load_settings()


def test_secrets_are_hidden_where_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLEARN_DATABASE__URL", "postgresql+asyncpg://me:s3cret@host/db")
    monkeypatch.setenv("OLEARN_KAFKA__SASL_PASSWORD", "s3cret")
    monkeypatch.setenv("OLEARN_KAFKA__SSL_KEY_PASSWORD", "s3cret")
    monkeypatch.setenv("OLEARN_JWT__SECRET", "s3cret")
    settings = load_settings()
    assert "s3cret" not in str(masked(settings))
    assert "me:***@host" in str(masked(settings))
    assert "s3cret" not in repr(settings.kafka) + repr(settings.jwt)
    assert masked_url("sqlite+aiosqlite:///x.db") == "sqlite+aiosqlite:///x.db"


def test_options_of_models_are_read_from_file_and_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written('[models.success_prediction]\nstrategy = "exponential"\n')
    monkeypatch.setenv("OLEARN_MODELS__SUCCESS_PREDICTION__HALF_LIFE_DAYS", "3")
    options = load_settings().models["success_prediction"]
    assert options == {"strategy": "exponential", "half_life_days": "3"}
