"""A fake GPU: a fake `tensorrt` and a fake `pycuda` on a simulated device. Nothing here is real.

    memory.py      device memory: addresses, bounds, lifetimes, poison, a budget
    host.py        page-locked memory, and what may not happen to it while a copy is under way
    schedule.py    streams and events: what is enqueued runs as late as it may, or in a random order
    machine.py     the device as a whole: which GPU, its faults, what it found wrong, what was left
    contexts.py    CUDA contexts, current per thread
    kernels.py     functions that a module can be asked for
    fake_pycuda_*  the fake of PyCUDA
    fake_trt_*     the fake of TensorRT; ONNX Runtime computes for it
    install.py     puts the pair in place of the real ones

Where real hardware would quietly compute nonsense, or end the process, the fake raises `Misuse` and
keeps the text in `FakeGpu.misuse`; where CUDA, PyCUDA or TensorRT would say so, it does as they do.
The rules are read off PyCUDA's and TensorRT's source, headers and documentation; no device has
confirmed that they are right, or all. Stricter than real ones: pageable memory, the null stream,
memory that is freed while CUDA would wait for its work, calls of TensorRT without a context. Left
out: time, what a kernel's own arithmetic does, several devices or processes, CUDA graphs, outputs
whose size depends on the data.
"""
