// expect: vernier::TypeOf: this precision has no code type; add it to types/type_of.hpp
#include "vernier/types/type_of.hpp"

vernier::TypeOf<vernier::Precision::f32> value;
