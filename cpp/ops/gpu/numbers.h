// The three dtypes of a kernel in memory, and their way to float32 and back, the same bits on host and device: rounded to
// the nearest, ties to even, as torch does. Arithmetic is float32 throughout.
#pragma once

#include <cstdint>
#include <cstring>

#include "ops/gpu/kernel.h"

#ifdef __CUDACC__
#include <cuda_fp16.h>
#endif

namespace catvton::ops::gpu {

enum class Number { float32, float16, bfloat16 };

struct Float16 {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

CATVTON_HOST_DEVICE inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

CATVTON_HOST_DEVICE inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

CATVTON_HOST_DEVICE inline float to_float(float x) { return x; }

CATVTON_HOST_DEVICE inline float to_float(BFloat16 x) { return float_of(static_cast<uint32_t>(x.bits) << 16); }

CATVTON_HOST_DEVICE inline float to_float(Float16 x) {
#ifdef __CUDA_ARCH__
  return __half2float(__ushort_as_half(x.bits));
#else
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000) << 16, exponent = x.bits >> 10 & 0x1f;
  const uint32_t fraction = x.bits & 0x3ff;
  if (exponent == 0x1f) return float_of(sign | 0x7f800000 | fraction << 13);           // infinity, NaN
  if (exponent != 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);  // 112: 127 - 15
  const float small = static_cast<float>(fraction) * 0x1p-24f;                         // subnormal, zero
  return float_of(sign | bits_of(small));
#endif
}

template <class T>
CATVTON_HOST_DEVICE T from_float(float x);

template <>
CATVTON_HOST_DEVICE inline float from_float<float>(float x) {
  return x;
}

template <>
CATVTON_HOST_DEVICE inline BFloat16 from_float<BFloat16>(float x) {
  const uint32_t bits = bits_of(x);
  if (x != x) return {0x7fc0};
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <>
CATVTON_HOST_DEVICE inline Float16 from_float<Float16>(float x) {
#ifdef __CUDA_ARCH__
  return {__half_as_ushort(__float2half_rn(x))};
#else
  const uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  auto signed_ = [sign](uint32_t half) { return Float16{static_cast<uint16_t>(sign | half)}; };
  if (magnitude > 0x7f800000) return {0x7fff};          // NaN, as the device's instruction gives it
  if (magnitude >= 0x477ff000) return signed_(0x7c00);  // rounds to 65536 or more
  if (magnitude < 0x38800000) {                         // below 2^-14: the sum's last bit is a subnormal's
    return signed_(bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f));
  }
  return signed_((magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23)) >> 13);
#endif
}

// `width` neighbouring numbers, moved as one where the address allows it: at most 16 bytes.
template <class T, int width>
struct alignas(sizeof(T) * width) Pack {
  T values[width];
};

template <class T>
constexpr int widest = 16 / sizeof(T);

// Whether rows of `columns` numbers that begin at these addresses can be read in the widest packs.
template <class T, class... Addresses>
bool fits_packs(int64_t columns, const Addresses*... addresses) {
  return columns % widest<T> == 0 && ((reinterpret_cast<uintptr_t>(addresses) % 16 == 0) && ...);
}

template <int width, class T>
CATVTON_HOST_DEVICE inline void load(const T* from, float (&to)[width]) {
  const Pack<T, width> pack = *reinterpret_cast<const Pack<T, width>*>(from);
  for (int i = 0; i < width; ++i) to[i] = to_float(pack.values[i]);
}

template <int width, class T>
CATVTON_HOST_DEVICE inline void store(T* to, const float (&from)[width]) {
  Pack<T, width> pack;
  for (int i = 0; i < width; ++i) pack.values[i] = from_float<T>(from[i]);
  *reinterpret_cast<Pack<T, width>*>(to) = pack;
}

template <int width>
struct Width {
  static constexpr int value = width;
};

// function(Width{}): the widest packs of T where they fit, else numbers one by one.
template <class T, class Function>
void for_width(bool packs_fit, const Function& function) {
  if (packs_fit) return function(Width<widest<T>>{});
  function(Width<1>{});
}

// function(T{}) for the dtype.
template <class Function>
void for_number(Number number, const Function& function) {
  switch (number) {
    case Number::float32:
      return function(float{});
    case Number::float16:
      return function(Float16{});
    case Number::bfloat16:
      return function(BFloat16{});
  }
}

}  // namespace catvton::ops::gpu
