"""Settings from the environment, `.env` and a folder of secrets; an empty value counts as missing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from service.known_settings import OWN_SETTINGS
from service.service_auth import CallersByHash
from service.settings import Settings, load_settings


class ExampleSettings(Settings):
    needed_thing: str
    port: int = 5000


def test_an_empty_value_leaves_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("NEEDED_THING=there\nPORT=\n")
    assert load_settings(ExampleSettings, OWN_SETTINGS) == ExampleSettings(needed_thing="there", port=5000)
    monkeypatch.setenv("NEEDED_THING", "")
    assert load_settings(ExampleSettings, OWN_SETTINGS).needed_thing == "there"


def test_a_required_setting_that_is_empty_ends_the_process_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEEDED_THING", "")
    with pytest.raises(SystemExit):
        load_settings(ExampleSettings, OWN_SETTINGS)
    assert capsys.readouterr().err == "cannot start, setting NEEDED_THING: Field required\n"


class FolderSettings(Settings):
    keys: CallersByHash
    word: str = "usual"


def test_a_folder_has_the_settings_that_the_environment_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "KEYS").write_text(f"gateway:{'a' * 64}\n")
    (tmp_path / "WORD").write_text("from the folder")
    monkeypatch.setenv("SETTINGS_DIR", str(tmp_path))
    assert load_settings(FolderSettings, OWN_SETTINGS).word == "from the folder"

    monkeypatch.setenv("WORD", "from the environment")

    settings = load_settings(FolderSettings, OWN_SETTINGS)
    assert (settings.word, settings.keys) == ("from the environment", {"a" * 64: "gateway"})


def test_of_several_folders_a_later_one_wins_and_an_empty_file_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, settings in (
        (first, {"KEYS": f"gateway:{'a' * 64}", "WORD": "first"}),
        (second, {"WORD": "second", "OTEL_EXPORTER_OTLP_ENDPOINT": ""}),
    ):
        folder.mkdir()
        for name, value in settings.items():
            (folder / name).write_text(value)
    monkeypatch.setenv("SETTINGS_DIR", f"{first}:{second}")

    loaded = load_settings(FolderSettings, OWN_SETTINGS)

    assert (loaded.word, loaded.keys) == ("second", {"a" * 64: "gateway"})
    assert loaded.otel_exporter_otlp_endpoint == ""


def test_a_missing_folder_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SETTINGS_DIR", "/nowhere/at/all")

    with pytest.raises(SystemExit):
        load_settings(FolderSettings, OWN_SETTINGS)

    assert "SETTINGS_DIR: there is no folder /nowhere/at/all" in capsys.readouterr().err


@contextmanager
def run_as_a_user() -> Iterator[None]:
    """Give up the rights of root, who may read every file."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(10001)
    try:
        yield
    finally:
        os.seteuid(own)


def test_a_file_that_this_user_may_not_read_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name, mode in (("WORD", 0o644), ("KEYS", 0)):
            (Path(folder) / name).write_text("word")
            (Path(folder) / name).chmod(mode)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("SETTINGS_DIR", folder)

        with run_as_a_user(), pytest.raises(SystemExit):
            load_settings(FolderSettings, OWN_SETTINGS)

        error = capsys.readouterr().err
        assert error.startswith("cannot start, setting KEYS: user ") and error.count("\n") == 1
        assert error.endswith(f" cannot read {folder}/KEYS: Permission denied\n")


@pytest.mark.parametrize("place", ["environment", "file", "folder"])
def test_a_misspelt_setting_ends_the_process_with_the_name_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEEDED_THING", "there")
    if place == "environment":
        monkeypatch.setenv("GATEWAY_PROT", "5000")
    elif place == "file":
        (tmp_path / ".env").write_text("GATEWAY_PROT=5000\n")
    else:
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "GATEWAY_PROT").write_text("5000")
        monkeypatch.setenv("SETTINGS_DIR", str(tmp_path / "secrets"))

    with pytest.raises(SystemExit) as exit_info:
        load_settings(ExampleSettings, OWN_SETTINGS)

    assert exit_info.value.code == 2
    reason = "is not a setting, GATEWAY_PORT is one: correct the name, or remove it"
    assert capsys.readouterr().err == f"cannot start, setting GATEWAY_PROT: {reason}\n"


def test_a_malformed_number_ends_the_process_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEEDED_THING", "there")
    monkeypatch.setenv("PORT", "abc")

    with pytest.raises(SystemExit):
        load_settings(ExampleSettings, OWN_SETTINGS)

    error = capsys.readouterr().err
    assert error.startswith("cannot start, setting PORT: ") and error.count("\n") == 1


def test_production_is_a_mode_of_this_process_alone_and_is_spelt_right(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEEDED_THING", "there")
    monkeypatch.setenv("SANDBOX_URL", "http://sandbox")
    assert load_settings(ExampleSettings, OWN_SETTINGS).needed_thing == "there"

    for mode, reason in (
        ("prodction", "MERCHANT_SYNC_ENV: must be production or development"),
        ("production", "SANDBOX_URL: production has no sandbox: leave it out"),
    ):
        monkeypatch.setenv("MERCHANT_SYNC_ENV", mode)
        with pytest.raises(SystemExit):
            load_settings(ExampleSettings, OWN_SETTINGS)
        assert capsys.readouterr().err == f"cannot start, setting {reason}\n"
