// Runs the kernel over random sizes under the address sanitizer: each frame's pixels lie between
// bytes that must not be read, and so does the tensor between those that must not be written.
#include "shim.hpp"

#include LETTERBOX

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>

static const unsigned block[2] = {32, 8};

template <typename Number>
static void run(void (*kernel)(const unsigned char*, Number*, Target), unsigned columns,
                const unsigned char* staged, const Target& target) {
    const size_t size = (size_t)3 * target.width * target.height;
    std::unique_ptr<Number[]> tensor(new Number[size]);
    blockDim = {block[0], block[1], 1};
    for (unsigned y = 0; y < (target.height + block[1] - 1) / block[1] * block[1]; ++y)
        for (unsigned x = 0; x < (columns + block[0] - 1) / block[0] * block[0]; ++x) {
            blockIdx = {x / block[0], y / block[1], 0};
            threadIdx = {x % block[0], y % block[1], 0};
            kernel(staged, tensor.get(), target);
        }
}

int main() {
    std::mt19937 chance(8);
    auto up_to = [&](int most) { return (int)(chance() % (unsigned)most) + 1; };
    int pictures = 0;
    for (; pictures < 400; ++pictures) {
        Frame frame{};
        frame.width = up_to(pictures % 5 ? 60 : 3);
        frame.height = up_to(pictures % 7 ? 60 : 3);
        Target target{};
        target.width = up_to(50);
        target.height = up_to(50);
        target.scale_0 = target.scale_1 = target.scale_2 = 1.0f;
        frame.placed_width = up_to(target.width);
        frame.placed_height = up_to(target.height);
        frame.left = target.width - frame.placed_width;
        frame.top = target.height - frame.placed_height;
        const size_t gap = 64, size = (size_t)3 * frame.width * frame.height;
        frame.offset = sizeof frame + gap;
        std::unique_ptr<unsigned char[]> staged(new unsigned char[frame.offset + size]());
        std::memcpy(staged.get(), &frame, sizeof frame);
        ASAN_POISON_MEMORY_REGION(staged.get() + sizeof frame, gap);
        if (pictures % 2)
            run<float>(letterbox_float32_nchw, target.width, staged.get(), target);
        else
            run<unsigned char>(letterbox_uint8_nhwc, 3 * target.width, staged.get(), target);
        ASAN_UNPOISON_MEMORY_REGION(staged.get() + sizeof frame, gap);
    }
    std::printf("%d pictures\n", pictures);
}
