"""What the gateway takes and what the services say to each other, described: `python -m gateway.docs FOLDER`."""
