"""The code of each platform that several services use: one package per platform. `registry` lists the platforms."""
