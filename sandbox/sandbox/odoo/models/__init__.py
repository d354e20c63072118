"""The models of the simulated databases, with what their fields and methods do."""
