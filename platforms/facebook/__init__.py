"""Facebook Pages: what more than one service must know of it."""
