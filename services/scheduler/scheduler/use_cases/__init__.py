"""Orchestration: sequences of reads and writes that handlers, periodic tasks and routes run."""
