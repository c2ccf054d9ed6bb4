// Probes of arithmetic: packed values, approximated functions, and fp8, of which every pair of codes and every half is converted.
#pragma once

#include "cuda/probe.hpp"
#include "vernier/types/bf16.hpp"
#include "vernier/types/fp16.hpp"

namespace vernier::probes {

struct MathArgs {
  const std::uint32_t *a, *b, *c;
  std::uint32_t* out;  // (thread, result)
};

constexpr int math_results = 21;

template <Arch A>
struct Math {
  using Args = MathArgs;
  static constexpr Arch arch = A;
  static constexpr int threads = 256, shared_bytes = 0;
  __device__ static void run(const Args& args, unsigned char*) {
    const std::uint32_t a = args.a[threadIdx.x], b = args.b[threadIdx.x], c = args.c[threadIdx.x];
    std::uint32_t* out = args.out + math_results * threadIdx.x;
    const auto as_float = [](std::uint32_t x) { return static_cast<float>(static_cast<std::int32_t>(x)) * 0x1p-26f; };  // -32 to 32
    out[0] = cuda::prmt(a, b, c & 0xffffu);
    out[1] = cuda::lop3<0xea>(a, b, c);  // (a & b) | c
    out[2] = cuda::lop3<0x96>(a, b, c);  // a ^ b ^ c
    out[3] = cuda::cvt_f16x2(as_float(a), as_float(b));
    out[4] = cuda::cvt_bf16x2(as_float(a), as_float(b));
    const std::uint32_t x = out[3], y = cuda::cvt_f16x2(as_float(b), as_float(c)), z = cuda::cvt_f16x2(as_float(c), as_float(a));
    out[5] = cuda::fma_f16x2(x, y, z);
    out[6] = cuda::mul_f16x2(x, y);
    out[7] = cuda::sub_f16x2(x, y);
    out[8] = cuda::fma_bf16x2(out[4], cuda::cvt_bf16x2(as_float(b), as_float(c)), cuda::cvt_bf16x2(as_float(c), as_float(a)));
    out[9] = __float_as_uint(cuda::ex2_approx(as_float(a)));
    out[10] = cuda::add_f16x2(x, y);
    out[11] = cuda::max_f16x2(x, y);
    const std::uint32_t v = out[4], w = cuda::cvt_bf16x2(as_float(b), as_float(c));
    out[12] = cuda::mul_bf16x2(v, w);
    out[13] = cuda::add_bf16x2(v, w);
    out[14] = cuda::sub_bf16x2(v, w);
    out[15] = __float_as_uint(cuda::rcp_approx(as_float(a)));
    out[16] = __float_as_uint(cuda::rsqrt_approx(fabsf(as_float(a))));
    out[17] = __float_as_uint(cuda::lg2_approx(fabsf(as_float(a))));
    out[18] = static_cast<std::uint32_t>(__dp4a(static_cast<int>(a), static_cast<int>(b), static_cast<int>(c)));
    out[19] = __byte_perm(a, b, c & 0x7777u);
    out[20] = cuda::in_register(a);
  }
};

/// The pair's element; half a unit in the last place of a result of this size, with the smallest subnormal.
template <class T>
double pair(std::uint32_t bits, int i) {
  return static_cast<double>(T{static_cast<std::uint16_t>(bits >> 16 * i)}.decode());
}
inline double rounding_f16(double x) { return std::fabs(x) * 0x1p-11 + 0x1p-25; }
inline double rounding_bf16(double x) { return std::fabs(x) * 0x1p-8 + 0x1p-134; }

/// The functions of x that the hardware approximates, with the errors that the PTX ISA allows.
inline void check_functions(Outcome& outcome, int thread, double x, const std::uint32_t* out) {
  const auto got = [out](int i) { return static_cast<double>(bits_float(out[i])); };
  const double power = std::exp2(x);
  outcome.expect_near(power, got(9), power * 0x1p-22, at(thread, 9) + " (ex2.approx)");
  outcome.expect_near(1 / x, got(15), std::fabs(1 / x) * 0x1p-23, at(thread, 15) + " (rcp.approx)");
  const double root = 1 / std::sqrt(std::fabs(x)), log = std::log2(std::fabs(x));
  outcome.expect_near(root, got(16), root * 0x1p-22, at(thread, 16) + " (rsqrt.approx)");
  outcome.expect_near(log, got(17), std::fmax(std::fabs(log), 1) * 0x1p-22, at(thread, 17) + " (lg2.approx)");
}

inline void check_math(Outcome& outcome, int thread, const std::uint32_t (&abc)[3], const std::uint32_t* out) {
  const auto [a, b, c] = abc;
  const auto real = [](std::uint32_t x) { return static_cast<double>(static_cast<float>(static_cast<std::int32_t>(x)) * 0x1p-26f); };
  std::uint32_t permuted = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const std::uint32_t selector = c >> 4 * i & 15u, word = (selector & 4u) != 0 ? b : a;
    const std::uint32_t byte = word >> 8 * (selector & 3u) & 0xffu;
    permuted |= (selector < 8 ? byte : byte >= 128 ? 0xffu : 0u) << 8 * i;
  }
  outcome.expect_equal(permuted, out[0], at(thread, 0) + " (prmt)");
  outcome.expect_equal((a & b) | c, out[1], at(thread, 1) + " (lop3)");
  outcome.expect_equal(a ^ b ^ c, out[2], at(thread, 2) + " (lop3)");
  const double first[3] = {real(a), real(b), real(c)};
  for (int i = 0; i < 2; ++i) {
    const double x = pair<f16>(out[3], i);
    outcome.expect_near(first[i], x, rounding_f16(first[i]), at(thread, 3) + " (cvt.f16x2)");
    outcome.expect_near(first[i], pair<bf16>(out[4], i), rounding_bf16(first[i]), at(thread, 4) + " (cvt.bf16x2)");
    const double y = static_cast<double>(f16::encode(static_cast<float>(first[1 + i])).decode());
    const double z = static_cast<double>(f16::encode(static_cast<float>(first[(2 + i) % 3])).decode());
    outcome.expect_near(x * y + z, pair<f16>(out[5], i), rounding_f16(x * y + z), at(thread, 5) + " (fma.f16x2)");
    outcome.expect_near(x * y, pair<f16>(out[6], i), rounding_f16(x * y), at(thread, 6) + " (mul.f16x2)");
    outcome.expect_near(x + y, pair<f16>(out[10], i), rounding_f16(x + y), at(thread, 10) + " (add.f16x2)");
    outcome.expect_equal(std::fmax(x, y), pair<f16>(out[11], i), at(thread, 11) + " (max.f16x2)");
    outcome.expect_near(x - y, pair<f16>(out[7], i), rounding_f16(x - y), at(thread, 7) + " (sub.f16x2)");
    const auto brain = [&](int j) { return static_cast<double>(bf16::encode(static_cast<float>(first[j % 3])).decode()); };
    const double v = brain(i), w = brain(i + 1);
    outcome.expect_near(v * w, pair<bf16>(out[12], i), rounding_bf16(v * w), at(thread, 12) + " (mul.bf16x2)");
    outcome.expect_near(v + w, pair<bf16>(out[13], i), rounding_bf16(v + w), at(thread, 13) + " (add.bf16x2)");
    outcome.expect_near(v - w, pair<bf16>(out[14], i), rounding_bf16(v - w), at(thread, 14) + " (sub.bf16x2)");
    const double want = brain(i) * brain(1 + i) + brain(2 + i);
    outcome.expect_near(want, pair<bf16>(out[8], i), rounding_bf16(want), at(thread, 8) + " (fma.bf16x2)");
  }
  check_functions(outcome, thread, first[0], out);
  int sum = static_cast<int>(c);
  std::uint32_t bytes = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const auto byte = [i](std::uint32_t word) { return static_cast<std::int8_t>(word >> 8 * i); };
    sum = static_cast<int>(static_cast<std::uint32_t>(sum) + static_cast<std::uint32_t>(byte(a) * byte(b)));
    const std::uint32_t selector = c >> 4 * i & 7u;
    bytes |= ((selector < 4 ? a : b) >> 8 * (selector % 4) & 0xffu) << 8 * i;
  }
  outcome.expect_equal(sum, static_cast<std::int32_t>(out[18]), at(thread, 18) + " (dp4a)");
  outcome.expect_equal(bytes, out[19], at(thread, 19) + " (byte_perm)");
  outcome.expect_equal(a, out[20], at(thread, 20) + " (in_register)");
}

template <class Machine>
Outcome probe_math(Machine& machine) {
  Outcome outcome{.name = "prmt, lop3, f16x2, bf16x2, ex2, rcp, rsqrt, lg2, dp4a"};
  std::vector<std::uint32_t> a(256), b(256), c(256), out(256 * math_results);
  for (std::uint32_t i = 0; i < 256; ++i) {
    a[i] = scramble(i + 1);  // that of 0 is 0
    b[i] = scramble(i + 1000);
    c[i] = scramble(i + 2000);
  }
  machine.template launch<Math>({}, MathArgs{machine.array(a), machine.array(b), machine.array(c), machine.array(out)});
  for (int i = 0; i < 256; ++i) {
    const auto u = static_cast<std::size_t>(i);
    check_math(outcome, i, {a[u], b[u], c[u]}, &out[u * math_results]);
  }
  return outcome;
}

// ---- fp8: all pairs of codes to halves, and all halves to codes, and the floats beside them

/// What an fp8 code means, from the tables of OFP8: `mantissa` bits, and whether the largest exponent is infinity and NaN.
inline double fp8_value(std::uint32_t code, int mantissa, int bias, bool ieee) {
  const int exponent = static_cast<int>(code >> mantissa & (127u >> mantissa)), fraction = static_cast<int>(code & ((1u << mantissa) - 1));
  const double sign = code >= 128 ? -1 : 1, one = 1 << mantissa;
  if (ieee && exponent == 31) return fraction == 0 ? sign * HUGE_VAL : NAN;
  if (!ieee && (code & 127u) == 127) return NAN;
  return exponent == 0 ? sign * std::ldexp(fraction / one, 1 - bias) : sign * std::ldexp(1 + fraction / one, exponent - bias);
}
inline double e4m3_value(std::uint32_t code) { return fp8_value(code, 3, 7, false); }
inline double e5m2_value(std::uint32_t code) { return fp8_value(code, 2, 15, true); }

/// The code of the number nearest to x, of two the even one; x beyond the largest becomes that. `largest` is its code.
template <class Value>
std::uint32_t nearest_fp8(double x, std::uint32_t largest, Value value) {
  if (std::isnan(x)) return 127;
  std::uint32_t low = 0, high = largest;  // the last code whose value is at most |x|
  while (low < high) {
    const std::uint32_t middle = (low + high + 1) / 2;
    if (value(middle) <= std::fabs(x))
      low = middle;
    else
      high = middle - 1;
  }
  if (low < largest) {
    const double below = std::fabs(x) - value(low), above = value(low + 1) - std::fabs(x);
    low += above < below || (above == below && low % 2 == 1);
  }
  return low | (std::signbit(x) ? 128u : 0u);
}

struct Fp8Args {
  std::uint32_t* halves;  // (e4m3, e5m2) x pair of codes
  std::uint16_t* bytes;   // (e4m3, e5m2) of the two floats, and of two halves, x half
};

/// A float and the one behind it: a number between two codes, and whichever side of the middle is next.
VERNIER_HD constexpr float neighbour(float x) { return bits_float(float_bits(x) + 1); }

template <Arch A>
struct Fp8 {
  using Args = Fp8Args;
  static constexpr Arch arch = A;
  static constexpr int threads = 256, shared_bytes = 0;
  __device__ static void run(const Args& args, unsigned char*) {
    for (unsigned i = threadIdx.x + threads * blockIdx.x; i < 65536; i += threads * gridDim.x) {
      const auto code = static_cast<std::uint16_t>(i);
      args.halves[i] = cuda::cvt_f16x2_e4m3x2(code);
      args.halves[65536 + i] = cuda::cvt_f16x2_e5m2x2(code);
      const float x = f16{code}.decode(), y = neighbour(x);
      args.bytes[i] = cuda::cvt_e4m3x2(x, y);
      args.bytes[65536 + i] = cuda::cvt_e5m2x2(x, y);
      args.bytes[2 * 65536 + i] = cuda::cvt_e4m3x2_f16x2(i | (65535 - i) << 16);
      args.bytes[3 * 65536 + i] = cuda::cvt_e5m2x2_f16x2(i | (65535 - i) << 16);
    }
  }
};

/// Equal as numbers: a NaN has many codes.
inline void expect_number(Outcome& outcome, double want, double got, std::size_t i, const char* what) {
  ++outcome.checked;
  if (want == got || (std::isnan(want) && std::isnan(got))) return;
  --outcome.checked;
  outcome.expect_equal(want, got, "code " + std::to_string(i) + " (" + what + ")");
}

template <class Machine>
Outcome probe_fp8(Machine& machine) {
  Outcome outcome{.name = "cvt of e4m3x2 and e5m2x2"};
  std::vector<std::uint32_t> halves(2 * 65536);
  std::vector<std::uint16_t> bytes(4 * 65536);
  machine.template launch<Fp8, Arch::sm89>({2}, Fp8Args{machine.array(halves), machine.array(bytes)});
  for (std::size_t i = 0; i < 65536; ++i) {
    const auto half = [](std::size_t code) { return f16{static_cast<std::uint16_t>(code)}.decode(); };
    const float inputs[4] = {half(i), neighbour(half(i)), half(i), half(65535 - i)};
    for (std::size_t e = 0; e < 2; ++e) {
      const auto code = static_cast<std::uint32_t>(i >> 8 * e & 255u);
      expect_number(outcome, e4m3_value(code), pair<f16>(halves[i], static_cast<int>(e)), i, "e4m3 to f16");
      expect_number(outcome, e5m2_value(code), pair<f16>(halves[65536 + i], static_cast<int>(e)), i, "e5m2 to f16");
      for (std::size_t way = 0; way < 2; ++way) {  // from floats, from halves
        const auto x = static_cast<double>(inputs[2 * way + e]);
        const auto got = [&](std::size_t type) { return static_cast<std::uint32_t>(bytes[(2 * way + type) * 65536 + i] >> 8 * e & 255); };
        expect_number(outcome, e4m3_value(nearest_fp8(x, 126, e4m3_value)), e4m3_value(got(0)), i, "to e4m3");
        expect_number(outcome, e5m2_value(nearest_fp8(x, 123, e5m2_value)), e5m2_value(got(1)), i, "to e5m2");
      }
    }
  }
  return outcome;
}

template <class Machine>
void probe_maths(Machine& machine, std::vector<Outcome>& outcomes) {
  outcomes.push_back(probe_math(machine));
  if (machine.arch() >= Arch::sm89) outcomes.push_back(probe_fp8(machine));
}

}  // namespace vernier::probes
