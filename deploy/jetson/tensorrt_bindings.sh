#!/bin/sh
# TensorRT's Python bindings for the Python on the PATH, from NVIDIA's source: tensorrt_bindings.sh v10.3.0 wheels
# JetPack's own are for the system's Python 3.10, and NVIDIA's wheels for arm64 want CUDA 13.
# Needs git, cmake, make, g++, bash, the headers of Python and CUDA, and TensorRT's libraries (libnvinfer-dev,
# libnvinfer-plugin-dev, libnvonnxparsers-dev), which it links with.
set -eu
version=$1
wheels=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
minor=$(python -c 'import sys; print(sys.version_info.minor)')

git clone --quiet --depth 1 --branch "$version" https://github.com/NVIDIA/TensorRT.git "$work/TensorRT"
# The bindings include the parser's headers, of which the system has but one.
git -C "$work/TensorRT" submodule --quiet update --init --depth 1 parsers/onnx
# The script of the source looks for these under EXT_PATH.
python -m pip install --quiet setuptools wheel 'pybind11<3'
mkdir "$work/external"
ln -s "$(python -c 'import pybind11; print(pybind11.__path__[0])')" "$work/external/pybind11"
ln -s "$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')" "$work/external/python3.$minor"

cd "$work/TensorRT/python"
TENSORRT_MODULE=tensorrt TRT_OSSPATH="$work/TensorRT" TRT_LIBPATH="/usr/lib/$(uname -m)-linux-gnu" \
EXT_PATH="$work/external" PYTHON_MAJOR_VERSION=3 PYTHON_MINOR_VERSION="$minor" \
TARGET_ARCHITECTURE=$(uname -m) bash ./build.sh
cp build/bindings_wheel/dist/tensorrt*.whl "$wheels"
