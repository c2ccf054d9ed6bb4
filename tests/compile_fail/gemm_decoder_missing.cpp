// expect: vernier::cpu::scalar::decode: no decoder for this precision; add one here
#include "vernier/cpu/micro_scalar.hpp"

float value(const std::uint8_t* lane) { return vernier::cpu::scalar::decode<static_cast<vernier::Precision>(99)>(lane, 0); }
