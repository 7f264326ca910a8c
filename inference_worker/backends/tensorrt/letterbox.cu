// A batch of decoded frames, of any sizes, becomes a model's input tensor: resized, padded, in the
// wanted colour order, scale, layout and type. Its twin on the CPU is inference_worker/preprocess.py,
// which it equals to one grey level before mean and std.
//
// Compiled by NVRTC without any header, and as C++ behind tests/inference_worker/backends/cuda_shim.

// One for each frame, at the start of the staged bytes; letterbox.py writes them.
struct Frame {
    unsigned long long offset;  // of its first pixel, from the start of the staged bytes
    int width, height;          // in pixels; BGR, 3 bytes each, rows without gaps
    int left, top, placed_width, placed_height;  // the rectangle of the input that it fills
};

struct Target {
    int width, height;  // of the input
    int padding;        // grey level around the frame
    int swap;           // 1: the first channel of the input is red
    float scale_0, scale_1, scale_2, shift_0, shift_1, shift_2;  // in the input's channel order
};

#ifndef CUDA_SHIM
struct Half {
    unsigned short bits;
};

__device__ inline Half to_half(float value) {
    Half half;
    // cuda_fp16.h would need an include path, which a machine with only the driver has not.
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half.bits) : "f"(value));
    return half;
}
#endif

__device__ inline void store(float* where, float value) { *where = value; }

__device__ inline void store(Half* where, float value) { *where = to_half(value); }

__device__ inline void store(unsigned char* where, float value) {
    value = rintf(value);
    *where = (unsigned char)(value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value);
}

// The two pixels between which a position of the input lies on the frame, along one axis.
struct Between {
    int low, high;
    float part;  // how far from low towards high, 0 to 1
};

// Half-pixel centres: (at + .5) * side / placed - .5, kept on the frame. In whole numbers, since a
// float is off by .004 of a pixel at the end of 65,535 of them: more than a grey level at an edge.
// 2^18 pixels by an input of 8192 still fit into 32 bits.
__device__ inline Between between(int at, int side, int placed) {
    const unsigned twice = 2u * (unsigned)placed;
    const unsigned numerator = (2u * (unsigned)at + 1u) * (unsigned)side;
    const unsigned beyond = numerator > (unsigned)placed ? numerator - (unsigned)placed : 0u;
    Between found;
    found.low = (int)(beyond / twice);
    found.part = (float)(beyond % twice) / (float)twice;
    if (found.low >= side - 1) {
        found.low = side - 1;
        found.part = 0.0f;
    }
    found.high = found.low + (found.low < side - 1 ? 1 : 0);
    return found;
}

// Where on a frame a pixel of the input lies. Offsets from the start of the staged bytes: of a pointer
// in a struct the compiler no longer knows that it is the read-only one, and reads it more slowly.
struct Looked {
    unsigned long long upper, lower;  // of the two rows
    Between x;
    float part_y;
    bool inside;
};

__device__ inline float grey(const unsigned char* staged, const Looked& looked, int channel) {
    const unsigned char* upper = staged + looked.upper;
    const unsigned char* lower = staged + looked.lower;
    const Between x = looked.x;
    const float top_left = upper[3 * x.low + channel], top_right = upper[3 * x.high + channel];
    const float low_left = lower[3 * x.low + channel], low_right = lower[3 * x.high + channel];
    const float top = top_left + (top_right - top_left) * x.part;
    const float low = low_left + (low_right - low_left) * x.part;
    // Halves go up, as OpenCV rounds: whole frames of them come from halving one.
    return (float)(int)(top + (low - top) * looked.part_y + 0.5f);
}

__device__ inline Looked look(const unsigned char* staged, int picture, int x, int y) {
    const Frame frame = ((const Frame*)staged)[picture];
    const int at_x = x - frame.left, at_y = y - frame.top;
    Looked looked;
    looked.inside = at_x >= 0 && at_y >= 0 && at_x < frame.placed_width && at_y < frame.placed_height;
    if (!looked.inside) return looked;
    looked.x = between(at_x, frame.width, frame.placed_width);
    const Between rows = between(at_y, frame.height, frame.placed_height);
    looked.upper = frame.offset + (size_t)rows.low * frame.width * 3;
    looked.lower = frame.offset + (size_t)rows.high * frame.width * 3;
    looked.part_y = rows.part;
    return looked;
}

__device__ inline float value(const unsigned char* staged, const Looked& looked,
                              const Target& target, int channel) {
    const int source = target.swap ? 2 - channel : channel;
    const float level = looked.inside
        ? grey(staged, looked, source)
        : (float)target.padding;
    // Chosen, not indexed: an indexed one would lie in local memory.
    const float scale = channel == 0 ? target.scale_0 : channel == 1 ? target.scale_1 : target.scale_2;
    const float shift = channel == 0 ? target.shift_0 : channel == 1 ? target.shift_1 : target.shift_2;
    return level * scale + shift;
}

// A thread makes the three channels of a pixel; each warp writes 32 neighbours of a plane at a time.
template <typename Number>
__device__ inline void planes(const unsigned char* staged, Number* tensor, const Target& target) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= target.width || y >= target.height) return;
    const Looked looked = look(staged, blockIdx.z, x, y);
    const size_t plane = (size_t)target.width * target.height;
    Number* where = tensor + 3 * plane * blockIdx.z + (size_t)y * target.width + x;
    for (int channel = 0; channel < 3; ++channel)
        store(where + channel * plane, value(staged, looked, target, channel));
}

// A thread makes one channel of a pixel: a warp's writes, and its reads, then lie side by side.
template <typename Number>
__device__ inline void pixels(const unsigned char* staged, Number* tensor, const Target& target) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (at >= 3 * target.width || y >= target.height) return;
    const Looked looked = look(staged, blockIdx.z, at / 3, y);
    const size_t row = (size_t)target.height * blockIdx.z + y;
    store(tensor + row * 3 * target.width + at, value(staged, looked, target, at % 3));
}

#define KERNEL(name, body, Number)                                                               \
    extern "C" __global__ void name(const unsigned char* __restrict__ staged,                    \
                                    Number* __restrict__ tensor, Target target) {                \
        body<Number>(staged, tensor, target);                                                    \
    }

KERNEL(letterbox_float32_nchw, planes, float)
KERNEL(letterbox_float16_nchw, planes, Half)
KERNEL(letterbox_uint8_nchw, planes, unsigned char)
KERNEL(letterbox_float32_nhwc, pixels, float)
KERNEL(letterbox_float16_nhwc, pixels, Half)
KERNEL(letterbox_uint8_nhwc, pixels, unsigned char)
