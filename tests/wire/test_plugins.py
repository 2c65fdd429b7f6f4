"""How plugins are found: only what is named, one of each name, and a remedy where it is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.plugins import install
from unmask import parts, plugins
from wire.errors import ConfigError
from wire.plugins import find, logit
from wire.redact import redact
from wire.settings import Settings, load, plain


def test_an_example_is_found_by_its_name_and_not_imported(examples: Path) -> None:
    found = find("detector", "sharpness", "worker.detector.plugin")
    assert (str(found), found.distribution) == ("sharpness 0.1.0", "unmask-example-sharpness")
    loaded = sys.modules.get("unmask_example_sharpness")  # by its own test, from where it was written
    assert loaded is None or Path(str(loaded.__file__)).parent != examples


def test_a_missing_one_says_what_to_do_in_one_line(examples: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find("detector", "sharpnes", "worker.detector.plugin")
    assert str(caught.value) == (
        "configuration: worker.detector.plugin: no installed package has a detector 'sharpnes': install its package "
        "into Unmask's environment with pip; installed are: sharpness"
    )


def test_two_of_one_name_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("one", "other"):
        install(tmp_path, "notifier", "pager", "", package)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="more than one package has a notifier 'pager': keep one: one, other"):
        find("notifier", "pager", "notify.plugins.x.plugin")


def test_doctor_and_check_tell_versions_and_what_is_missing(examples: Path) -> None:
    settings = Settings(
        worker={"detector": {"plugin": "sharpness"}},
        streamer={"sources": {"still": {}, "ndi": {}}},
        notify={"plugins": {"journal": {"plugin": "jsonl"}}},
    )
    found = {one.part: one for one in parts.plugins(settings)}
    assert found["detector sharpness"].details == "unmask-example-sharpness 0.1.0"
    assert found["source still"].state == found["notifier jsonl"].state == "ok"
    assert found["source ndi"].state == "failed"
    assert "with pip" in found["source ndi"].remedy
    assert parts.plugins(Settings()) == []


def test_an_option_from_the_environment_is_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER_KEY", "key-of-the-pager")
    path = tmp_path / "unmask.yaml"
    path.write_text(
        "notify: {plugins: {x: {plugin: pager, options: {key: 'k=${PAGER_KEY}', level: 3, loud: true, share: 0.5}}}}"
    )
    settings = load(path)
    options = settings.notify.plugins["x"].options
    assert plain(options) == {"key": "k=key-of-the-pager", "level": 3, "loud": True, "share": 0.5}
    assert "key-of-the-pager" not in repr(settings)
    assert redact("said k=key-of-the-pager") == "said ***"


def test_logit_is_the_inverse_of_the_sigmoid_and_finite() -> None:
    assert logit(0.5) == 0
    assert logit(0.9) == pytest.approx(2.1972, abs=1e-4)
    assert logit(1.0) == -logit(0.0) < 20


def test_the_public_module_has_all_of_the_contract() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert [name for name in plugins.__all__ if f"`{name}" not in documented] == []
