// What letterbox.cu needs of CUDA, for a C++ compiler: its threads run one after another.
#pragma once
#define CUDA_SHIM

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__

using std::size_t;

struct Index {
    unsigned x, y, z;
};

static thread_local Index blockIdx, threadIdx, blockDim;

struct Half {
    uint16_t bits;
};

// IEEE 754 binary16, to nearest, ties to even, as cvt.rn.f16.f32 does it.
static inline Half to_half(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    const double size = std::fabs((double)value);
    if (size != size) return {(uint16_t)(sign | 0x7fffu)};
    if (size >= 65520.0) return {(uint16_t)(sign | 0x7c00u)};
    int exponent = -14;  // of the numbers without a leading 1 too
    if (size >= std::ldexp(1.0, -14)) exponent = std::ilogb(size);
    // A mantissa that is rounded up to 2048 carries into the exponent by itself.
    const long mantissa = std::lrint(std::ldexp(size, 10 - exponent));
    return {(uint16_t)(sign | (((exponent + 14) << 10) + mantissa))};
}
