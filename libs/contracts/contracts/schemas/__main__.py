"""Write the JSON Schema of every event beside this module."""

from pathlib import Path

from contracts.schemas.generation import written

for name, text in written().items():
    Path(__file__).with_name(name).write_text(text)
