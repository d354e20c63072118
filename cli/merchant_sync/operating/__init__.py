"""The commands for operators. They work for any installation: on this machine or elsewhere."""
