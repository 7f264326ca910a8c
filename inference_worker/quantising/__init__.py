"""An INT8 model of a float one: Q/DQ nodes in the ONNX, so that any engine can read it.

    quantise.py     the whole of it          graph.py       the graph, and its Q/DQ nodes
    calibration.py  ranges of activations    search.py      what must stay float
    speed.py        whether it pays          recipes.py     for which engine

It needs the extra `quantize`; a worker that serves what comes out of it doesn't.
"""
