// What the stand-in for libcuda keeps: contexts, memory, streams, events.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>
#include <unistd.h>

using Result = int;
enum : Result {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100,
    INVALID_DEVICE = 101, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_HANDLE = 400,
    NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700, NOT_SUPPORTED = 801,
};
using Address = unsigned long long;
extern "C" int run_kernel(const char*, const unsigned*, const unsigned*, const void*, size_t);

namespace {
std::mutex guard;
bool initialised = false;
int references = 0;              // of the primary context
char primary;                    // its address is the handle
thread_local std::vector<void*> stack;
std::map<Address, size_t> device_memory, host_memory;
size_t used = 0;
std::atomic<Result> sticky{0};

size_t total() {
    return size_t(256) << 20;
}

struct Stream {
    std::mutex lock;
    std::condition_variable changed;
    std::deque<std::function<void()>> queue;
    size_t enqueued = 0, done = 0;
    bool ends = false;

    Stream() { std::thread([this] { work(); }).detach(); }
    void work() {
        for (;;) {
            std::unique_lock<std::mutex> held(lock);
            changed.wait(held, [this] { return ends || !queue.empty(); });
            if (queue.empty()) return;
            auto one = std::move(queue.front());
            queue.pop_front();
            held.unlock();
            usleep(300);  // late enough for who doesn't wait
            if (!sticky) one();
            held.lock();
            ++done;
            changed.notify_all();
        }
    }
    size_t enqueue(std::function<void()> one) {
        std::lock_guard<std::mutex> held(lock);
        queue.push_back(std::move(one));
        changed.notify_all();
        return ++enqueued;
    }
    void wait(size_t number) {
        std::unique_lock<std::mutex> held(lock);
        changed.wait(held, [&] { return done >= number; });
    }
    bool passed(size_t number) {
        std::lock_guard<std::mutex> held(lock);
        return done >= number;
    }
};

struct Event { std::shared_ptr<Stream> stream; size_t number = 0; unsigned flags = 0; };
// For ever, as its thread may be at work while the process ends.
auto& streams = *new std::map<void*, std::shared_ptr<Stream>>;
std::set<Event*> events;
std::set<std::string*> modules, functions;

Result current() {
    if (!initialised) return NOT_INITIALIZED;
    if (stack.empty() || !references) return INVALID_CONTEXT;
    return sticky;
}
bool inside(const std::map<Address, size_t>& memory, Address address, size_t size) {
    auto after = memory.upper_bound(address);
    if (after == memory.begin()) return false;
    --after;
    return address + size <= after->first + after->second;
}
std::shared_ptr<Stream> stream_of(void* handle) {
    auto found = streams.find(handle);
    return found == streams.end() ? nullptr : found->second;
}
void missing(const char* name) {
    std::fprintf(stderr, "stand-in for libcuda: %s is not there\n", name);
    std::abort();
}
Result copy(Address device, const void* host, size_t size, void* stream, bool up) {
    std::lock_guard<std::mutex> held(guard);
    if (Result code = current()) return code;
    auto on = stream_of(stream);
    if (!on) return INVALID_HANDLE;
    if (!inside(device_memory, device, size)) return INVALID_VALUE;
    if (!inside(host_memory, (Address)host, size))
        std::fprintf(stderr, "stand-in: a copy of %zu bytes of pageable memory\n", size);
    on->enqueue([=] {
        void *to = up ? (void*)device : (void*)host, *from = up ? (void*)host : (void*)device;
        std::lock_guard<std::mutex> held(guard);
        if (!inside(device_memory, device, size)) { sticky = ILLEGAL_ADDRESS; return; }
        std::memcpy(to, from, size);
    });
    return SUCCESS;
}
}  // namespace
