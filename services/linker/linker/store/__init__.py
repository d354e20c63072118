"""The linker's own schema: links, what is known of both sides' records, pairs and plans."""
