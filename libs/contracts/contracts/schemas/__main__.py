"""Writes the JSON Schema of every event to a file in the folder of this module."""

from pathlib import Path

from contracts.schemas.generation import render_schemas

for name, text in render_schemas().items():
    Path(__file__).with_name(name).write_text(text)
