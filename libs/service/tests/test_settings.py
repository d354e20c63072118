"""Settings from the environment, `.env` and a folder of secrets; an empty value counts as missing."""

from pathlib import Path

import pytest

from service.service_auth import CallersByHash
from service.settings import Settings, load_settings


class ExampleSettings(Settings):
    needed_thing: str
    port: int = 5000


def test_an_empty_value_leaves_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("NEEDED_THING=there\nPORT=\n")
    assert load_settings(ExampleSettings) == ExampleSettings(needed_thing="there", port=5000)
    monkeypatch.setenv("NEEDED_THING", "")
    assert load_settings(ExampleSettings).needed_thing == "there"


def test_a_required_setting_that_is_empty_ends_the_process_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEEDED_THING", "")
    with pytest.raises(SystemExit):
        load_settings(ExampleSettings)
    assert capsys.readouterr().err == "cannot start, setting NEEDED_THING: Field required\n"


class FolderSettings(Settings):
    keys: CallersByHash
    word: str = "usual"


def test_a_folder_has_the_settings_that_the_environment_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "KEYS").write_text(f"gateway:{'a' * 64}\n")
    (tmp_path / "WORD").write_text("from the folder")
    monkeypatch.setenv("SETTINGS_DIR", str(tmp_path))
    assert load_settings(FolderSettings).word == "from the folder"

    monkeypatch.setenv("WORD", "from the environment")

    settings = load_settings(FolderSettings)
    assert (settings.word, settings.keys) == ("from the environment", {"a" * 64: "gateway"})


def test_a_missing_folder_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SETTINGS_DIR", "/nowhere/at/all")

    with pytest.raises(SystemExit):
        load_settings(FolderSettings)

    assert "SETTINGS_DIR: there is no folder /nowhere/at/all" in capsys.readouterr().err
