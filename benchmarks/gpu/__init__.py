"""What only a real GPU can prove: `make test-gpu`, `make bench-gpu` (docs/gpu.md).

claims.py    what is to be proved, and what it has to come to
results/     a file for each machine that it was tried on; none: nothing was
findings.py  those files, and the table in docs/gpu.md that is made of them
host.py      the machine: GPU, driver, versions
site.py      models, pictures, time and folders of a run
models.py    python -m benchmarks.gpu.models: the models, float and INT8, made on any machine
pack.py      python -m benchmarks.gpu.pack: all that a machine without internet needs, in parts
opening.py   detectors on TensorRT and on the CPU
parity.py    AP50 beside the CPU's
rounding.py  python -m benchmarks.gpu.rounding: what float16 does to a model, told without a GPU
load.py      the device's memory under load
bare.py      TensorRT alone with the same transfers; trtexec.py: NVIDIA's own tool
speed.py     images/s beside those, use and energy
start.py     a process from its start to the first boxes, with and without an engine that is kept
"""
