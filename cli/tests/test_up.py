"""`merchant-sync up` says in one line what is wrong with its settings."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from merchant_sync.app import app


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("GATEWAY_PROT", "5000", "GATEWAY_PORT is one"), ("GATEWAY_PORT", "abc", "it is 'abc'")],
)
def test_wrong_settings_are_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["up", "--data", str(tmp_path / "data")])
    assert result.exit_code == 1
    assert reason in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "data").exists()
