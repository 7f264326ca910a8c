"""Cameras whose frames come when they come: connections, arrivals, and the ticks that they serve.

arrivals.py  what a live source promises     reader.py   one camera's connection, kept up
choice.py    which arrival serves a tick     backoff.py  how long to wait before the next try
groups.py    decoding as little as will do   keys.py     how often a stream can be entered
ticks.py     all of it as a camera's records
"""
