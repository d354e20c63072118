"""Settings: an empty value is as good as none, from the environment and from `.env`."""

from pathlib import Path

import pytest

from serving.settings import Settings, read_settings


class Some(Settings):
    needed_thing: str
    port: int = 5000


def test_an_empty_value_leaves_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("NEEDED_THING=there\nPORT=\n")
    assert read_settings(Some) == Some(needed_thing="there", port=5000)
    monkeypatch.setenv("NEEDED_THING", "")
    assert read_settings(Some).needed_thing == "there"


def test_an_empty_value_of_what_is_needed_stops_the_start_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEEDED_THING", "")
    with pytest.raises(SystemExit):
        read_settings(Some)
    assert capsys.readouterr().err == "cannot start, setting NEEDED_THING: Field required\n"
