"""Inference engines: `base.py` says what each of them does, each other module is one of them."""
