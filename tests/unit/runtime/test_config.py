"""Settings are refused as a whole, with file, field and remedy."""

import importlib
from pathlib import Path

import msgspec
import pytest
from postroom.mta.config import MtaConfig
from postroom.relay.config import RelayConfig
from postroom.runtime.config import ConfigError, convert, load

AGENTS = ("auth", "imap", "mda", "msa", "mta", "pop3", "relay")


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
        ('host_name = "a.example"\nlog_level = "loud"', "log_level = 'loud' is not usable: give debug or"),
        ('host_name = "a.example"\nworkers = 65', "workers = 65 is not usable: give 0 to 64"),
        ('host_name = "a.example"\nmax_errors = 0', "max_errors = 0 is not usable: give a positive number"),
        (
            'host_name = "a.example"\nrate_window = nan',
            "rate_window = nan is not usable: give a positive number",
        ),
        ('host_name = "a.example"\npressure_share = 2', "give a share of max_connections, 0 to 1"),
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


def test_a_list_is_shown_as_a_whole(tmp_path: Path) -> None:
    text = 'host_name = "a.example"\naddress_families = ["ipv4", "ipx"]'
    with pytest.raises(ConfigError, match=r"address_families = \['ipv4', 'ipx'\] .* give ipv4, ipv6 or both"):
        load(write(tmp_path, text), RelayConfig)


@pytest.mark.parametrize("agent", AGENTS)
def test_every_number_has_a_bound_and_every_bound_has_words(agent: str) -> None:
    """A value below the bound is refused with field, value and what to give."""
    kind = getattr(importlib.import_module(f"postroom.{agent}.config"), f"{agent.capitalize()}Config")
    for field in msgspec.structs.fields(kind):
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            with pytest.raises(ValueError, match=f"^{field.name} = -1(.0)? is not usable: give [0-9a-z]"):
                convert({"host_name": "mail.a.example", field.name: -1}, kind)
