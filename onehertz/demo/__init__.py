"""`onehertz demo`: the whole line on the embedded stack, with real video, live on the screen."""
