// Runs a kernel of letterbox.cu on the host: one thread of the grid after another.
#include "shim.hpp"

#include LETTERBOX

struct Arguments {
    const unsigned char* staged;
    void* tensor;
    Target target;
};

template <typename Number>
using Kernel = void (*)(const unsigned char*, Number*, Target);

template <typename Number>
static void each_thread(Kernel<Number> kernel, const unsigned* grid, const unsigned* block,
                        const Arguments& given) {
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.z = 0; blockIdx.z < grid[2]; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid[1]; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid[0]; ++blockIdx.x)
                for (threadIdx.z = 0; threadIdx.z < block[2]; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < block[1]; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < block[0]; ++threadIdx.x)
                            kernel(given.staged, (Number*)given.tensor, given.target);
}

// `packed`: the arguments as PyCUDA hands them to the driver. 1: no kernel of that name;
// 2: arguments of another size.
extern "C" int run_kernel(const char* name, const unsigned* grid, const unsigned* block,
                          const void* packed, size_t size) {
    Arguments given;
    // The driver takes them without what fills a struct up to its alignment.
    const size_t members = offsetof(Arguments, target) + sizeof(Target);
    if (size != members) return 2;
    std::memcpy(&given, packed, members);
#define RUN(kernel, Number)                                  \
    if (std::strcmp(name, #kernel) == 0) {                   \
        each_thread<Number>(kernel, grid, block, given);     \
        return 0;                                            \
    }
    RUN(letterbox_float32_nchw, float)
    RUN(letterbox_float16_nchw, Half)
    RUN(letterbox_uint8_nchw, unsigned char)
    RUN(letterbox_float32_nhwc, float)
    RUN(letterbox_float16_nhwc, Half)
    RUN(letterbox_uint8_nhwc, unsigned char)
    return 1;
}
