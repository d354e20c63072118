"""The settings of a Shopify app for tests."""

from collections.abc import Callable
from typing import Any

import pytest

from platforms.shopify.settings import Settings

SECRET, PREVIOUS = "the app's secret", "the app's former secret"
REQUIRED: dict[str, Any] = {
    "shopify_api_key": "the app",
    "shopify_api_secret": SECRET,
    "shopify_api_secret_previous": PREVIOUS,
    "shopify_redirect_uri": "http://gateway.test/shopify/callback",
    "shopify_webhook_address": "http://gateway.test/shopify/webhook",
}


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Makes the settings of an app, with the given changes."""
    return lambda **changes: Settings(_env_file=None, **{**REQUIRED, **changes})
