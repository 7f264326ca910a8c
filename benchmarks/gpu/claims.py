"""What is to be proved on a real GPU. A row of the table in docs/gpu.md each."""

from __future__ import annotations

from typing import Final

FLOAT16_LOSS, INT8_LOSS = 0.002, 0.01  # of AP50
THROUGHPUT = 0.95  # of the bare loop's images/s

CLAIMS: Final = {
    "conformance": "the conformance suite of the engines, on TensorRT itself",
    "letterbox": "the letterbox kernel gives what the CPU gives, to one grey level",
    "parity-float16": f"float16: AP50 on `coco64` at most {FLOAT16_LOSS:g} below the CPU's float32",
    "parity-int8": f"INT8: AP50 on `coco64` at most {INT8_LOSS:g} below the float model's",
    "memory": "ten minutes of load, and the device's memory does not grow",
    "throughput": f"at least {THROUGHPUT:g} times the images/s of TensorRT alone, same transfers",
    "frames": "frames as they come, against TensorRT alone on ready tensors (reported)",
    "energy": "how busy the GPU is, watts and joules per image (reported)",
    "build": "how long an engine takes to build (reported)",
    "start": "from a process' start to the first boxes, without and with a kept engine (reported)",
}
# Other ground to cover: nothing of it can be claimed by the commands here.
ELSEWHERE: Final = {
    "jetson": "a Jetson with JetPack 6 (TensorRT 10.3, arm64)",
    "cluster": "workers in a cluster with `nvidia.com/gpu`, from zero and back",
    "image": "the image `worker-gpu` with NVIDIA's container toolkit",
}
