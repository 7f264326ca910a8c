"""Which engine, precision and streams `auto` takes on this machine, and what they cost."""
