// What vectors of every width have in common; included by vectors_avx2.h and vectors_avx512.h, behind their own.
#pragma once

namespace catvton::ops {

// body(c, lanes) for c = 0, lanes, ... below `count`: AllLanes, or SomeLanes for the last few.
template <class Body>
static inline void for_each_vector(int64_t count, const Body& body) {
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) body(c, AllLanes{});
  if (c < count) body(c, first_lanes(count - c));
}

static inline Vector only(AllLanes, Vector x) { return x; }

// e^x to about one last place of float32: 2^n e^r with |r| <= ln 2 / 2, e^r by its Taylor polynomial of degree 7.
static inline Vector exp(Vector x) {
  x = clamp(x, -104.0f, 104.0f);
  const Vector n = round(x * broadcast(1.44269504f));
  Vector r = fma(n, broadcast(-0.693145752f), x);  // ln 2 in two parts, the first short
  r = fma(n, broadcast(-1.42860677e-6f), r);
  Vector p = broadcast(1.0f / 5040);
  const float factors[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  for (const float factor : factors) p = fma(p, r, broadcast(factor));
  return times_power_of_2(p, n);
}

}  // namespace catvton::ops
