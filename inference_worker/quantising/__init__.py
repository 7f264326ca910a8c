"""An INT8 model of a float one: Q/DQ nodes in the ONNX, so that any engine can read it.

    quantise.py     the whole of it          judge.py       what came of it is measured
    calibration.py  ranges of activations    graph.py       the graph, and its Q/DQ nodes
    search.py       what must stay float     trials.py      forms against the float model
    speed.py        whether it pays          recipes.py     for which engine

It needs the extra `quantize`; a worker that serves what comes out of it doesn't.
"""
