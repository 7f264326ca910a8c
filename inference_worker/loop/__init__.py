"""The parts of the running worker, which `role.py` wires together.

reading.py, room.py   what is read, and how much at once    intake.py    records in
engine.py, poison.py  batches through the detector          results.py   records out
ordering.py           each camera's order, and commits      challenger.py  a model on trial
opening.py            the model at the start                serving.py, swap.py  another later
"""
