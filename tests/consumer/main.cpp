// What a user's first program may look like: pack a matrix, unpack it, look at the error. Returns 0 when the error is that of the format.
#include <cmath>
#include <cstdio>
#include <vector>

#include "vernier/quant/quantize.hpp"

int main() {
  const int n = 48, k = 96;
  std::vector<float> weights(n * k), restored(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = std::sin(static_cast<float>(i));

  vernier::cpu::ThreadPool pool(2);
  const auto packed = vernier::quantize({weights.data(), n, k}, vernier::default_format(vernier::Precision::i8), &pool);
  vernier::dequantize(packed, {restored.data(), n, k});

  float worst = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) worst = std::fmax(worst, std::fabs(weights[i] - restored[i]));
  std::printf("worst error %g\n", worst);
  return worst <= 0.51f / 127.0f ? 0 : 1;
}
