"""The gateway: owns merchants, sessions, connections and their sealed tokens; all from outside enters here."""
