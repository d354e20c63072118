"""The session may be loaded by any service; how it behaves is tested where Pages are read."""

import subprocess
import sys


def test_loading_the_session_loads_no_messaging_database_or_generated_code() -> None:
    unwanted = ("messaging", "aiokafka", "faststream", "sqlalchemy", "graphql", "facebook_fetcher", "connector")
    code = f"import sys, platforms.facebook.session; print([m for m in {unwanted!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
