"""What a GPU does and takes while it infers, by NVML (the package nvidia-ml-py).

nvml.py     one GPU: its name, how busy it is, power, energy, memory; what to do where there is none
meter.py    energy between two moments: by the GPU's own counter, or by power samples
"""
