"""PyCUDA itself without a GPU, on a stand-in for the driver: by hand, not by `make test`.

    python deploy/images/pycuda_wheel.py wheels
    python -m pip install --no-deps --target pycuda wheels/pycuda-*.whl
    python -m tests.inference_worker.backends.stand_in pycuda

`libcuda.cpp` is what PyCUDA calls of the driver, on the host's memory: streams are threads, the
kernels are letterbox.cu as C++. TensorRT is the fake one, whose engines run on those streams. So
the backend meets the types, packing, contexts and errors of PyCUDA itself, which the fake pair only
claims. What differs becomes a rule of the fake.
"""
