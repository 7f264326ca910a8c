// A driver for PyCUDA without a GPU: memory is the host's, each stream is a thread, the kernels are
// letterbox.cu as C++ (cuda_shim). It holds to the driver's rules where PyCUDA or we could break
// them: a current context, memory that is freed, what is done on a stream that has failed.
#include "device.hpp"

#define API extern "C" Result
#define CURRENT std::lock_guard<std::mutex> held(guard); if (Result code = current()) return code

API cuInit(unsigned) {
    initialised = true;
    return SUCCESS;
}
API cuDriverGetVersion(int* version) { *version = 13000; return SUCCESS; }
API cuGetErrorString(Result code, const char** text) {
    static const std::map<Result, const char*> texts = {
        {1, "invalid argument"}, {2, "out of memory"}, {3, "initialization error"},
        {100, "no CUDA-capable device is detected"}, {200, "device kernel image is invalid"},
        {201, "invalid device context"}, {400, "invalid resource handle"},
        {500, "named symbol not found"}, {700, "an illegal memory access was encountered"},
    };
    auto found = texts.find(code);
    *text = found == texts.end() ? "another error" : found->second;
    return SUCCESS;
}
API cuDeviceGetCount(int* count) { *count = 1; return initialised ? SUCCESS : NOT_INITIALIZED; }
API cuDeviceGet(int* device, int number) {
    *device = number;
    return !initialised ? NOT_INITIALIZED : number ? INVALID_DEVICE : SUCCESS;
}
API cuDeviceGetName(char* name, int size, int) { std::snprintf(name, size, "Stand-in"); return SUCCESS; }
API cuDeviceComputeCapability(int* major, int* minor, int) { *major = 8; *minor = 9; return SUCCESS; }
API cuDeviceTotalMem_v2(size_t* size, int) { *size = total(); return SUCCESS; }
API cuDevicePrimaryCtxRetain(void** context, int) { ++references; *context = &primary; return SUCCESS; }
API cuDevicePrimaryCtxRelease_v2(int) {
    if (!references) return INVALID_CONTEXT;
    --references;
    return SUCCESS;
}
API cuCtxPushCurrent_v2(void* context) {
    if (!references) return INVALID_CONTEXT;
    stack.push_back(context);
    return SUCCESS;
}
API cuCtxPopCurrent_v2(void** context) {
    if (stack.empty()) return INVALID_CONTEXT;
    if (sticky) return sticky;  // as its documentation allows
    *context = stack.back();
    stack.pop_back();
    return SUCCESS;
}
// Of a primary context: it was retained, not created.
API cuCtxDetach(void*) { return INVALID_CONTEXT; }
API cuCtxGetDevice(int* device) { *device = 0; return stack.empty() ? INVALID_CONTEXT : SUCCESS; }
API cuMemGetInfo_v2(size_t* free, size_t* all) {
    CURRENT;
    *free = total() - used;
    *all = total();
    return SUCCESS;
}
API cuMemAlloc_v2(Address* address, size_t size) {
    CURRENT;
    if (!size) return INVALID_VALUE;
    if (used + size > total()) return OUT_OF_MEMORY;
    *address = (Address)std::aligned_alloc(512, (size + 511) / 512 * 512);
    std::memset((void*)*address, 0xCB, size);
    device_memory[*address] = size;
    used += size;
    return SUCCESS;
}
API cuMemFree_v2(Address address) {
    CURRENT;
    auto found = device_memory.find(address);
    if (found == device_memory.end()) return INVALID_VALUE;
    std::memset((void*)address, 0xDD, found->second);
    used -= found->second;
    device_memory.erase(found);  // the memory itself stays: what comes too late finds poison
    return SUCCESS;
}
API cuMemHostAlloc(void** address, size_t size, unsigned) {
    CURRENT;
    if (!size) return INVALID_VALUE;
    *address = std::aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    host_memory[(Address)*address] = size;
    return SUCCESS;
}
API cuMemFreeHost(void* address) {
    CURRENT;
    return host_memory.erase((Address)address) ? SUCCESS : INVALID_VALUE;
}
API cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t size, void* stream) {
    return copy(to, from, size, stream, true);
}
API cuMemcpyDtoHAsync_v2(void* to, Address from, size_t size, void* stream) {
    return copy(from, to, size, stream, false);
}
API cuMemcpyHtoD_v2(Address to, const void* from, size_t size) {
    CURRENT;
    if (!inside(device_memory, to, size)) return INVALID_VALUE;
    std::memcpy((void*)to, from, size);
    return SUCCESS;
}
API cuMemcpyDtoH_v2(void* to, Address from, size_t size) {
    CURRENT;
    if (!inside(device_memory, from, size)) return INVALID_VALUE;
    std::memcpy(to, (void*)from, size);
    return SUCCESS;
}
API cuMemsetD8Async(Address to, unsigned char value, size_t size, void* stream) {
    CURRENT;
    auto on = stream_of(stream);
    if (!on) return INVALID_HANDLE;
    if (!inside(device_memory, to, size)) return INVALID_VALUE;
    on->enqueue([=] { std::memset((void*)to, value, size); });
    return SUCCESS;
}
API cuStreamCreate(void** handle, unsigned) {
    CURRENT;
    auto made = std::make_shared<Stream>();
    *handle = made.get();
    streams[*handle] = made;
    return SUCCESS;
}
API cuStreamDestroy_v2(void* handle) {
    CURRENT;
    auto on = stream_of(handle);
    if (!on) return INVALID_HANDLE;
    streams.erase(handle);
    { std::lock_guard<std::mutex> held2(on->lock); on->ends = true; on->changed.notify_all(); }
    new std::shared_ptr<Stream>(on);  // its thread still looks at it
    return SUCCESS;
}
static Result waited(void* handle, bool wait) {
    std::shared_ptr<Stream> on;
    { CURRENT; on = stream_of(handle); }
    if (!on) return INVALID_HANDLE;
    size_t number;
    { std::lock_guard<std::mutex> held(on->lock); number = on->enqueued; }
    if (wait) on->wait(number);
    else if (!on->passed(number)) return NOT_READY;
    return sticky;
}
API cuStreamSynchronize(void* handle) { return waited(handle, true); }
API cuStreamQuery(void* handle) { return waited(handle, false); }
API cuEventCreate(void** handle, unsigned flags) {
    CURRENT;
    auto made = new Event;
    made->flags = flags;
    events.insert(made);
    *handle = made;
    return SUCCESS;
}
API cuEventDestroy_v2(void* handle) {
    CURRENT;
    return events.erase((Event*)handle) ? SUCCESS : INVALID_HANDLE;
}
API cuEventRecord(void* handle, void* stream) {
    CURRENT;
    auto on = stream_of(stream);
    if (!on || !events.count((Event*)handle)) return INVALID_HANDLE;
    ((Event*)handle)->stream = on;
    ((Event*)handle)->number = on->enqueue([] {});
    return SUCCESS;
}
static Result waited_for(Event* event, bool wait) {
    { CURRENT; if (!events.count(event)) return INVALID_HANDLE; }
    if (!event->stream) return SUCCESS;
    if (wait) event->stream->wait(event->number);
    else if (!event->stream->passed(event->number)) return NOT_READY;
    return sticky;
}
API cuEventSynchronize(void* handle) { return waited_for((Event*)handle, true); }
API cuEventQuery(void* handle) { return waited_for((Event*)handle, false); }
API cuEventElapsedTime_v2(float* ms, void* a, void* b) {
    if ((((Event*)a)->flags | ((Event*)b)->flags) & 2) return INVALID_HANDLE;
    *ms = 1;
    return SUCCESS;
}
API cuStreamWaitEvent(void* stream, void* handle, unsigned) {
    CURRENT;
    auto on = stream_of(stream);
    Event event = *(Event*)handle;
    if (on && event.stream) on->enqueue([=] { event.stream->wait(event.number); });
    return on ? SUCCESS : INVALID_HANDLE;
}
API cuModuleLoadDataEx(void** module, const void* image, unsigned, int*, void** values) {
    CURRENT;
    const char* text = (const char*)image;
    values[1] = 0;
    std::string why;
    if (std::memcmp(text, "\x7f" "ELF", 4) && !std::strstr(text, ".version")) why = "no image";
    values[3] = (void*)why.size();
    if (!why.empty()) { std::strcpy((char*)values[2], why.c_str()); return INVALID_IMAGE; }
    *module = *modules.insert(new std::string).first;
    return SUCCESS;
}
API cuModuleUnload(void* module) {
    CURRENT;
    return modules.erase((std::string*)module) ? SUCCESS : INVALID_HANDLE;
}
API cuModuleGetFunction(void** function, void*, const char* name) {
    CURRENT;
    unsigned none[3] = {};
    if (run_kernel(name, none, none, nullptr, 0) == 1) return NOT_FOUND;
    *function = *functions.insert(new std::string(name)).first;
    return SUCCESS;
}
API cuFuncSetBlockShape(void*, int, int, int) { return SUCCESS; }
API cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned, void* stream, void** parameters, void** extra) {
    CURRENT;
    auto on = stream_of(stream);
    if (!on || !functions.count((std::string*)function)) return INVALID_HANDLE;
    if (parameters || !extra || !gx || !gy || !gz || bx * by * bz > 1024) return INVALID_VALUE;
    std::vector<char> packed;
    const void* start = nullptr;
    for (void** at = extra; *at; at += 2) {  // CU_LAUNCH_PARAM_BUFFER_POINTER 1, _SIZE 2, _END 0
        if (*at == (void*)1) start = at[1];
        if (*at == (void*)2) packed.resize(*(size_t*)at[1]);
    }
    std::memcpy(packed.data(), start, packed.size());
    std::string name = *(std::string*)function;
    on->enqueue([=] {
        unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
        if (run_kernel(name.c_str(), grid, block, packed.data(), packed.size()))
            sticky = ILLEGAL_ADDRESS;
    });
    return SUCCESS;
}
// NVRTC asks for it where there is a libcuda.
API cuGetExportTable(const void**, const void*) { return NOT_SUPPORTED; }
// Ours: what a stand-in for TensorRT enqueues.
API standin_enqueue(void* stream, void (*call)(void*), void* what) {
    CURRENT;
    auto on = stream_of(stream);
    if (!on) return INVALID_HANDLE;
    on->enqueue([=] { call(what); });
    return SUCCESS;
}
API standin_break() { sticky = ILLEGAL_ADDRESS; return SUCCESS; }
API standin_left(size_t* counts) {
    std::lock_guard<std::mutex> held(guard);
    counts[0] = device_memory.size(); counts[1] = host_memory.size(); counts[2] = streams.size();
    counts[3] = events.size(); counts[4] = modules.size(); counts[5] = references;
    return SUCCESS;
}
#define ABSENT(name) API name() { missing(#name); return NOT_SUPPORTED; }
#include "absent.inc"
