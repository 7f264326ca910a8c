"""What a million frames cost, by machine, model, precision and batch. Pure, but for reading files.

speeds.py      what `models bench --json` says of a way and a batch size; reads what was saved
prices.py      the price file
arithmetic.py  from images/s and $ an hour to $ per million frames, and to cameras
accuracy.py    how well a way sees, from what `evaluate model` or `models check` has said
pricing.py     all of it put together, a row for each batch size
advice.py      bigger batches, fewer bits, another machine? In one sentence
"""
