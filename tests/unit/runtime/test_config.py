"""Settings are refused as a whole, with file, field and remedy."""

from pathlib import Path

import pytest
from postroom.mta.config import MtaConfig
from postroom.relay.config import RelayConfig
from postroom.runtime.config import ConfigError, load


def write(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def test_defaults_stand_where_nothing_is_said(tmp_path: Path) -> None:
    config = load(write(tmp_path, 'host_name = "mail.alpha.example"'), MtaConfig)
    assert config.max_recipients == 1000
    assert config.workers == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "host_name"),
        ('host_name = "mail"', "host_name = 'mail' is not usable: give a full host name"),
        ('host_name = "a.example"\nworkers = -1', "workers = -1 is not usable"),
        ('host_name = "a.example"\nworkers = "two"', "workers"),
        ('host_name = "a.example"\nmax_mesage_bytes = 5', "max_mesage_bytes"),
        ('host_name = "a.example"\nmax_message_bytes = 5', "at least 65536"),
        ('host_name = "a.example', "not TOML"),
        ('host_name = "a.example"\nlog_level = "loud"', "debug or info or warning or error"),
    ],
)
def test_wrong_settings_are_refused_with_a_reason(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load(path, MtaConfig)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value).strip()


def test_values_are_compared_with_one_another(tmp_path: Path) -> None:
    text = 'host_name = "a.example"\nretry_minimum = 100\nretry_maximum = 10'
    with pytest.raises(ConfigError, match="retry_minimum"):
        load(write(tmp_path, text), RelayConfig)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml", MtaConfig)
