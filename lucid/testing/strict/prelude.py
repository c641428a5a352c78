"""CUDA C++ as far as kernels of this library use it, in C++17: what is put in front of a kernel's source."""

SOURCE = r"""
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <math.h>
#include <type_traits>
#include <utility>
#include <vector>
#include <ucontext.h>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __shared__ static
#define __constant__ static
#define __align__(n) __attribute__((aligned(n)))
#define CUPY_FOR(i, n) \
    for (ptrdiff_t i = static_cast<ptrdiff_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < (n); \
         i += static_cast<ptrdiff_t>(blockDim.x) * gridDim.x)

struct dim3 { unsigned x, y, z; };
typedef dim3 uint3;
static dim3 blockIdx, threadIdx, blockDim, gridDim;
static const int warpSize = 32;
static char* lucid_shared = nullptr;

template <class T> using complex = std::complex<T>;
struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
struct double2 { double x, y; };
struct int2 { int x, y; };
struct int4 { int x, y, z, w; };
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// ---- half types: float with two bytes in memory, as in CuPy ----

struct float16 {
    uint16_t data_;
    float16() = default;
    float16(float v) { _Float16 h = (_Float16)v; std::memcpy(&data_, &h, 2); }
    operator float() const { _Float16 h; std::memcpy(&h, &data_, 2); return (float)h; }
    float16& operator+=(float v) { return *this = float16((float)*this + v); }
    float16& operator-=(float v) { return *this = float16((float)*this - v); }
    float16& operator*=(float v) { return *this = float16((float)*this * v); }
    float16& operator/=(float v) { return *this = float16((float)*this / v); }
};
struct bfloat16 {
    uint16_t data_;
    bfloat16() = default;
    bfloat16(float v) {
        uint32_t u; std::memcpy(&u, &v, 4);
        data_ = std::isnan(v) ? (uint16_t)0x7fc0 : (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
    }
    operator float() const { uint32_t u = (uint32_t)data_ << 16; float v; std::memcpy(&v, &u, 4); return v; }
    bfloat16& operator+=(float v) { return *this = bfloat16((float)*this + v); }
    bfloat16& operator-=(float v) { return *this = bfloat16((float)*this - v); }
    bfloat16& operator*=(float v) { return *this = bfloat16((float)*this * v); }
    bfloat16& operator/=(float v) { return *this = bfloat16((float)*this / v); }
};
typedef float16 __half;
typedef float16 half;
typedef bfloat16 __nv_bfloat16;
static inline float __half2float(__half h) { return (float)h; }
static inline __half __float2half(float v) { return __half(v); }
static inline __half __float2half_rn(float v) { return __half(v); }
static inline float __bfloat162float(__nv_bfloat16 h) { return (float)h; }
static inline __nv_bfloat16 __float2bfloat16(float v) { return __nv_bfloat16(v); }

// ---- CUDA's math: max and min of floats ignore NaN, like fmax ----

template <class T> struct is_floating : std::is_floating_point<T> {};
template <class A, class B> static inline typename std::common_type<A, B>::type max(A a, B b) {
    typedef typename std::common_type<A, B>::type T;
    if constexpr (std::is_floating_point<T>::value) return std::fmax((T)a, (T)b);
    else return (T)a < (T)b ? (T)b : (T)a;
}
template <class A, class B> static inline typename std::common_type<A, B>::type min(A a, B b) {
    typedef typename std::common_type<A, B>::type T;
    if constexpr (std::is_floating_point<T>::value) return std::fmin((T)a, (T)b);
    else return (T)b < (T)a ? (T)b : (T)a;
}
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline double sinpi(double x) { return sin(M_PI * x); }
static inline double cospi(double x) { return cos(M_PI * x); }
static inline float sinpif(float x) { return (float)sin(M_PI * x); }
static inline float cospif(float x) { return (float)cos(M_PI * x); }
static inline double normcdf(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }
static inline float normcdff(float x) { return 0.5f * erfcf(-x * (float)M_SQRT1_2); }
#define __expf expf
#define __logf logf
#define __log2f log2f
#define __sinf sinf
#define __cosf cosf
#define __tanf tanf
#define __powf powf
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
static inline int __float_as_int(float x) { int i; std::memcpy(&i, &x, 4); return i; }
static inline unsigned __float_as_uint(float x) { unsigned i; std::memcpy(&i, &x, 4); return i; }
static inline float __int_as_float(int i) { float x; std::memcpy(&x, &i, 4); return x; }
static inline float __uint_as_float(unsigned i) { float x; std::memcpy(&x, &i, 4); return x; }
static inline long long __double_as_longlong(double x) { long long i; std::memcpy(&i, &x, 8); return i; }
static inline double __longlong_as_double(long long i) { double x; std::memcpy(&x, &i, 8); return x; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)(((unsigned __int128)a * b) >> 64); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
template <class T> static inline T __ldg(const T* p) { return *p; }
static double erfinv(double y) {
    if (!(y > -1 && y < 1)) return y == 1 ? INFINITY : y == -1 ? -INFINITY : NAN;
    double l = log((1 - y) * (1 + y)), t = 2 / (M_PI * 0.147) + 0.5 * l;
    double x = copysign(sqrt(sqrt(t * t - l / 0.147) - t), y);
    for (int k = 0; k < 4; ++k) x -= (erf(x) - y) / (M_2_SQRTPI * exp(-x * x));
    return x;
}
static inline float erfinvf(float y) { return (float)erfinv((double)y); }
static inline double erfcinv(double y) { return erfinv(1 - y); }
static inline double normcdfinv(double p) { return M_SQRT2 * erfinv(2 * p - 1); }
#define CUDART_INF_F INFINITY
#define CUDART_NAN_F NAN
#define CUDART_INF ((double)INFINITY)
#define CUDART_NAN ((double)NAN)
#define CUDART_PI_F 3.14159265358979f

// ---- atomics: threads run one after the other ----

template <class T, class U> static inline T atomicAdd(T* p, U v) { T old = *p; *p = (T)(old + (T)v); return old; }
template <class T, class U> static inline T atomicSub(T* p, U v) { T old = *p; *p = (T)(old - (T)v); return old; }
template <class T, class U> static inline T atomicMax(T* p, U v) { T old = *p; if ((T)v > old) *p = (T)v; return old; }
template <class T, class U> static inline T atomicMin(T* p, U v) { T old = *p; if ((T)v < old) *p = (T)v; return old; }
template <class T, class U> static inline T atomicExch(T* p, U v) { T old = *p; *p = (T)v; return old; }
template <class T, class U> static inline T atomicOr(T* p, U v) { T old = *p; *p = old | (T)v; return old; }
template <class T, class U> static inline T atomicAnd(T* p, U v) { T old = *p; *p = old & (T)v; return old; }
template <class T, class U, class V> static inline T atomicCAS(T* p, U c, V v) { T old = *p; if (old == (T)c) *p = (T)v; return old; }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

// ---- barriers: the threads of a block are coroutines, where a kernel has any barrier ----

enum Waits { RUNS, AT_WARP, AT_BLOCK, DONE };
struct Fiber { ucontext_t context; Waits state; dim3 index; char* stack; char slot[16]; };
static std::vector<Fiber> lucid_fibers;
static ucontext_t lucid_scheduler;
static int lucid_now = 0;
static void lucid_wait(Waits what) {
    Fiber& f = lucid_fibers[lucid_now];
    f.state = what;
    swapcontext(&f.context, &lucid_scheduler);
}
static inline void __syncthreads() { lucid_wait(AT_BLOCK); }
static inline void __syncwarp(unsigned mask = 0xffffffffu) { lucid_wait(AT_WARP); }
static inline unsigned __activemask() { return 0xffffffffu; }
template <class T> static T lucid_exchange(T v, int lane) {
    static_assert(sizeof(T) <= 16, "a shuffle moves at most 16 bytes");
    std::memcpy(lucid_fibers[lucid_now].slot, &v, sizeof(T));
    lucid_wait(AT_WARP);
    int from = lucid_now / 32 * 32 + lane;
    T out = v;
    if (from < (int)lucid_fibers.size()) std::memcpy(&out, lucid_fibers[from].slot, sizeof(T));
    lucid_wait(AT_WARP);
    return out;
}
template <class T> static T __shfl_sync(unsigned m, T v, int lane, int w = 32) { int l = lucid_now % 32; return lucid_exchange(v, l / w * w + lane % w); }
template <class T> static T __shfl_xor_sync(unsigned m, T v, int mask, int w = 32) { int l = lucid_now % 32, t = l ^ mask; return lucid_exchange(v, t / w == l / w ? t : l); }
template <class T> static T __shfl_down_sync(unsigned m, T v, int d, int w = 32) { int l = lucid_now % 32, t = l + d; return lucid_exchange(v, t / w == l / w ? t : l); }
template <class T> static T __shfl_up_sync(unsigned m, T v, int d, int w = 32) { int l = lucid_now % 32, t = l - d; return lucid_exchange(v, t >= l / w * w ? t : l); }
static unsigned __ballot_sync(unsigned m, int p) {
    unsigned bits = 0;
    int mine = p != 0;
    std::memcpy(lucid_fibers[lucid_now].slot, &mine, 4);
    lucid_wait(AT_WARP);
    for (int k = 0; k < 32; ++k) {
        int from = lucid_now / 32 * 32 + k, theirs = 0;
        if (from < (int)lucid_fibers.size() && lucid_fibers[from].state != DONE) std::memcpy(&theirs, lucid_fibers[from].slot, 4);
        bits |= (unsigned)theirs << k;
    }
    lucid_wait(AT_WARP);
    return bits;
}
static int __any_sync(unsigned m, int p) { return __ballot_sync(m, p) != 0; }
static int __all_sync(unsigned m, int p) { return __ballot_sync(m, !p) == 0; }

template <class Body> struct Block { static Body* body; static void run() { (*body)(); lucid_fibers[lucid_now].state = DONE; swapcontext(&lucid_fibers[lucid_now].context, &lucid_scheduler); } };
template <class Body> Body* Block<Body>::body = nullptr;

template <class Body> static int lucid_block(Body body) {
    size_t count = (size_t)blockDim.x * blockDim.y * blockDim.z, stack = 65536;
    lucid_fibers.resize(count);
    Block<Body>::body = &body;
    for (size_t k = 0; k < count; ++k) {
        Fiber& f = lucid_fibers[k];
        if (!f.stack) f.stack = (char*)std::malloc(stack);
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack;
        f.context.uc_stack.ss_size = stack;
        f.context.uc_link = nullptr;
        f.state = RUNS;
        f.index = {(unsigned)(k % blockDim.x), (unsigned)(k / blockDim.x % blockDim.y), (unsigned)(k / blockDim.x / blockDim.y)};
        makecontext(&f.context, Block<Body>::run, 0);
    }
    for (;;) {
        size_t done = 0, block = 0, released = 0;
        for (size_t k = 0; k < count; ++k) {
            Fiber& f = lucid_fibers[k];
            if (f.state == RUNS) { lucid_now = (int)k; threadIdx = f.index; swapcontext(&lucid_scheduler, &f.context); }
        }
        for (size_t w = 0; w < count; w += 32) {
            size_t end = std::min(count, w + 32), waiting = 0, over = 0;
            for (size_t k = w; k < end; ++k) { waiting += lucid_fibers[k].state == AT_WARP; over += lucid_fibers[k].state == DONE; block += lucid_fibers[k].state == AT_BLOCK; }
            done += over;
            if (waiting && waiting + over == end - w) { released += waiting; for (size_t k = w; k < end; ++k) if (lucid_fibers[k].state == AT_WARP) lucid_fibers[k].state = RUNS; }
        }
        if (done == count) return 0;
        if (!released && block + done == count) { released = block; for (auto& f : lucid_fibers) if (f.state == AT_BLOCK) f.state = RUNS; }
        if (!released) return 1;
    }
}

// ---- launching: arguments come as pointers, as cudaLaunchKernel takes them ----

template <class T> static char lucid_kind() {
    if (std::is_same<T, bool>::value) return 'b';
    if (std::is_same<T, float16>::value || std::is_same<T, bfloat16>::value || std::is_floating_point<T>::value) return 'f';
    if (std::is_integral<T>::value) return std::is_signed<T>::value ? 'i' : 'u';
    if (std::is_same<T, std::complex<float>>::value || std::is_same<T, std::complex<double>>::value) return 'c';
    return 'o';
}
template <class T> static void lucid_describe(char*& out) {
    typedef typename std::remove_cv<typename std::remove_reference<T>::type>::type V;
    if constexpr (std::is_pointer<V>::value) {
        typedef typename std::remove_cv<typename std::remove_pointer<V>::type>::type E;
        *out++ = 'p';
        if constexpr (std::is_void<E>::value) { *out++ = 'o'; *out++ = '1'; }
        else { *out++ = lucid_kind<E>(); *out++ = (char)('0' + sizeof(E)); }
    } else { *out++ = 'v'; *out++ = lucid_kind<V>(); *out++ = (char)('0' + sizeof(V)); }
}
template <class... A> static void lucid_signature(void (*)(A...), char* out) { (lucid_describe<A>(out), ...); *out = 0; }

template <class... A, size_t... I> static int lucid_run(void (*f)(A...), void** a, const unsigned* d, bool fibers, std::index_sequence<I...>) {
    gridDim = {d[0], d[1], d[2]};
    blockDim = {d[3], d[4], d[5]};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
                auto body = [&] { f(*static_cast<typename std::remove_reference<A>::type*>(a[I])...); };
                if (fibers) { if (lucid_block(body)) return 1; continue; }
                for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x) body();
            }
    return 0;
}
template <class... A> static int lucid_launch(void (*f)(A...), void** a, const unsigned* d, bool fibers) {
    return lucid_run(f, a, d, fibers, std::index_sequence_for<A...>());
}

// ---- the arrays of ElementwiseKernel and ReductionKernel ----

struct Indexer {
    ptrdiff_t size_; int ndim; const ptrdiff_t* shape_; ptrdiff_t index_[16]; ptrdiff_t at_;
    ptrdiff_t size() const { return size_; }
    const ptrdiff_t* shape() const { return shape_; }
    void set(ptrdiff_t i) { at_ = i; for (int d = ndim; d-- > 0;) { index_[d] = i % shape_[d]; i /= shape_[d]; } }
    const ptrdiff_t* get() const { return index_; }
};
template <class T> struct CArray {
    T* data_; const ptrdiff_t* shape_; const ptrdiff_t* strides_; int ndim; ptrdiff_t size_; bool flat;
    ptrdiff_t size() const { return size_; }
    const ptrdiff_t* shape() const { return shape_; }
    const ptrdiff_t* strides() const { return strides_; }
    T& operator[](ptrdiff_t i) { return const_cast<T&>(const_cast<const CArray&>(*this)[i]); }
    template <class Int> T& operator[](const Int* index) { return const_cast<T&>(const_cast<const CArray&>(*this)[index]); }
    const T& operator[](ptrdiff_t i) const {
        if (flat) return data_[i];
        char* p = (char*)data_;
        for (int d = ndim; d-- > 0;) { p += i % shape_[d] * strides_[d]; i /= shape_[d]; }
        return *(T*)p;
    }
    template <class Int> const T& operator[](const Int* index) const {
        char* p = (char*)data_;
        for (int d = 0; d < ndim; ++d) p += index[d] * strides_[d];
        return *(T*)p;
    }
};
"""
