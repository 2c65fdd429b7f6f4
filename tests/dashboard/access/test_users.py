"""Users by the configuration: what is read, what is refused before anything is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from dashboard.access.users import configured
from dashboard.config import from_settings
from tests.dashboard.people import person
from wire.errors import ConfigError
from wire.settings import DashboardSettings, load

HASH = person("anna").hash


def section(**user: Any) -> DashboardSettings:
    return DashboardSettings(users={"anna": {"role": "viewer", **user}})


def test_hashes_by_value_and_by_file(tmp_path: Path) -> None:
    (tmp_path / "hash").write_text(f"{HASH}\n")
    for given in ({"hash": HASH}, {"hash_file": tmp_path / "hash"}):
        access = configured(section(**given, cameras=["lobby-*"]))
        assert access.users["anna"].hash == HASH
        assert access.users["anna"].principal.may_see("lobby-2")
        assert not access.users["anna"].principal.may_see("vault")
        assert HASH not in repr(access)
        assert not access.open
    assert configured(DashboardSettings(token=SecretStr("s3cret"))).principal("token").may("admin")
    assert configured(DashboardSettings()).open


@pytest.mark.parametrize(
    ("user", "words"),
    [({"hash": "s3cret"}, "unmask token anna"), ({"hash_file": "/nowhere/hash"}, "No such file"),
     ({"hash": HASH.replace("argon2id", "argon2i")}, "Argon2id")],
)  # fmt: skip
def test_a_wrong_hash_is_one_line_without_it(user: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        configured(section(**user))
    assert "dashboard.users.anna.hash" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_user_can_not_be_called_as_the_holder_of_the_token() -> None:
    with pytest.raises(ConfigError, match="another name"):
        configured(DashboardSettings(users={"token": {"role": "viewer", "hash": HASH}}))


@pytest.mark.parametrize(
    "user",
    [{"role": "viewer"}, {"role": "viewer", "hash": HASH, "hash_file": "x"}, {"role": "king", "hash": HASH},
     {"hash": HASH}, {"role": "viewer", "hash": HASH, "camera": []}],
)  # fmt: skip
def test_a_wrong_entry_is_one_line(user: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "unmask.yaml"
    path.write_text(yaml.safe_dump({"dashboard": {"users": {"anna": user}}}))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "dashboard.users.anna" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert HASH not in str(caught.value)


def test_a_name_holds_nothing_that_ends_it_in_a_token() -> None:
    for name in ("a~b", "", "a b", "~"):
        with pytest.raises(ValueError, match="users"):
            DashboardSettings(users={name: {"role": "viewer", "hash": HASH}})


def test_users_make_a_dashboard_that_others_may_reach(tmp_path: Path) -> None:
    path = tmp_path / "unmask.yaml"
    text = {"redis": {"url": "redis://127.0.0.1:1/0"}, "dashboard": {"host": "0.0.0.0"}}
    path.write_text(yaml.safe_dump(text))
    with pytest.raises(ConfigError, match=r"unmask token NAME"):
        from_settings(load(path))
    text["dashboard"]["users"] = {"anna": {"role": "viewer", "hash": HASH}}  # type: ignore[assignment]
    path.write_text(yaml.safe_dump(text))
    config = from_settings(load(path))
    assert not config.access.open


def test_a_trusted_proxy_is_an_address_or_a_network() -> None:
    DashboardSettings(trusted_proxies=("10.0.0.0/8", "::1"))
    for wrong in ("proxy.example", "10.0.0.1/8", "*"):
        with pytest.raises(ValueError, match="trusted_proxies"):
            DashboardSettings(trusted_proxies=(wrong,))
