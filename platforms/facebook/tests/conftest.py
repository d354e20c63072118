"""The settings of a Facebook app for tests."""

from collections.abc import Callable
from typing import Any

import pytest

from platforms.facebook.settings import Settings
from platforms.facebook.tests.fake_graph import APP_ID, APP_SECRET

PREVIOUS = "facebook's former secret"
REQUIRED: dict[str, Any] = {
    "facebook_app_id": APP_ID,
    "facebook_app_secret": APP_SECRET,
    "facebook_app_secret_previous": PREVIOUS,
    "facebook_verify_token": "verify-me-8c41",
    "facebook_redirect_uri": "http://gateway.test/facebook/callback",
    "facebook_webhook_address": "http://gateway.test/facebook/webhook",
    "facebook_graph_url": "https://graph.test",
}


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Makes the settings of an app, with the given changes."""
    return lambda **changes: Settings(_env_file=None, **{**REQUIRED, **changes})
