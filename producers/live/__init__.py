"""Cameras whose frames come when they come: connections, arrivals, and the ticks that they serve.

arrivals.py  what a live source promises
reader.py    one camera's connection, kept up; backoff.py: how long to wait before the next try
mailbox.py   from the thread that reads to the one that takes ticks
demand.py    when a source that is asked for each picture is asked
choice.py    which arrival serves a tick
groups.py    decoding as little as will do; keys.py: how often a stream can be entered
ticks.py     all of it as a camera's records
"""
