// float32, and bfloat16 as its bits.
#pragma once

#include <cstdint>
#include <cstring>

inline float to_float(float x) { return x; }
inline float to_float(uint16_t x) {
  const uint32_t bits = uint32_t{x} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline void from_float(float x, float& to) { to = x; }
inline void from_float(float x, uint16_t& to) {  // cut off, not rounded: an input is what it is
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  to = static_cast<uint16_t>(bits >> 16);
}
