"""What the linker does: it follows both sides of links, and plans what would keep them in step."""
