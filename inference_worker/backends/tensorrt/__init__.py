"""TensorRT, from an ONNX file to boxes' numbers.

`graph.py` rewrites the ONNX (free batch, float16, or as it is), `build.py` makes an engine of it,
`engine_cache.py` keeps it, all for one key (`engine_key.py`). `loaded.py` brings it onto the GPU
(`device.py`). A batch goes through a lane (`lane.py`): frames up, `letterbox.py` makes the input of
them, the engine runs, outputs down; `backend.py` has two lanes. `errors.py` says what is wrong in
words.
"""
