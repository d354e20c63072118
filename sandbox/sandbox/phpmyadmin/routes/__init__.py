"""The HTTP routes of the simulated phpMyAdmin, of its control API and of the pages for people."""
