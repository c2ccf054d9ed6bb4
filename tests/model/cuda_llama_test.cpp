// The CUDA backend of the forward, on the emulator: what holds on any device (cuda_llama_cases.hpp), and what only the emulator can show.
#include "model/cuda_llama_cases.hpp"

#include "simt/device.hpp"

namespace vernier::model {
namespace {

TEST(CudaLlama, AWarmStepTakesNoDeviceMemory) {
  Placed model(first_device(), weights_in(uniform_formats(Precision::f16)), Activations::f32, Precision::f16);
  KvSequence sequence(*model.cache);
  ops::Sampler sampler({.top_p = 0.9f, .repetition_penalty = 1.2f});
  sampler.accept_prompt(some_ids(20, 0));
  (void)model.run({&sequence}, {some_ids(20, 0)});
  const auto choose = [&](int id) {
    Output output{.sampler = &sampler};
    model.forward({&sequence}, {{id}}, {&output, 1});
    EXPECT_EQ(output.error, "");
    sampler.accept(output.token);
  };
  (void)model.run({&sequence}, {{1}});
  choose(2);
  const std::size_t before = simt::device_memory::allocations();
  for (int step = 0; step < 4; ++step) choose(step);
  EXPECT_EQ(simt::device_memory::allocations(), before);
}

TEST(CudaLlama, MayGoUnused) {
  const std::size_t before = simt::device_memory::used();
  { Placed model(first_device(), weights_in(uniform_formats(Precision::f16)), Activations::f32, Precision::f16); }
  EXPECT_EQ(simt::device_memory::used(), before);
}

TEST(CudaLlama, SaysWhenMemoryEnds) {
  const simt::DeviceProperties properties = simt::device_properties();
  simt::device_properties().memory_bytes = std::size_t{16} << 20;
  try {
    Placed model(first_device(), weights_in(uniform_formats(Precision::f16)), Activations::f32, Precision::f16, 4000);
    ADD_FAILURE() << "a cache of " << model.cache->num_pages() << " pages fits in 16 MiB";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("bytes are free"), std::string::npos) << error.what();
  }
  simt::device_properties() = properties;
}

/// The device that a flag means, or the words of the refusal.
std::string device_of(const char* flag, const ModelConfig& config, std::string* said = nullptr) {
  cpu::ThreadPool pool(2);
  try {
    return open_device(flag, config, pool,
                       [said](const std::string& line) {
                         if (said != nullptr) *said += line + "\n";
                       })
        ->name();
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Devices, AreNamed) {
  std::string said;
  EXPECT_EQ(device_of("auto", shape(), &said), "cuda:0 (SIMT emulator, sm80)");
  EXPECT_EQ(said, "device: cuda:0 (SIMT emulator, sm80)\n");
  EXPECT_EQ(device_of("cuda", shape()), "cuda:0 (SIMT emulator, sm80)");
  EXPECT_EQ(device_of("cuda:0", shape()), "cuda:0 (SIMT emulator, sm80)");
  EXPECT_EQ(device_of("cpu", shape()), concat("cpu (", cpu::name(cpu::selected_isa()), ", 2 threads)"));
}

TEST(Devices, ThatCannotRunAModelArePassedOver) {
  ModelConfig small = shape();
  small.head_dim = 8;
  std::string said;
  EXPECT_NE(device_of("auto", small, &said).find("cpu ("), std::string::npos);
  EXPECT_NE(said.find("device: not cuda:0 (SIMT emulator): head_dim = 8"), std::string::npos) << said;
  EXPECT_NE(device_of("cuda", small).find("head_dim = 8"), std::string::npos);
}

TEST(Devices, RefuseAVocabularyThatCannotBeSampled) {
  ModelConfig large = shape();
  large.vocab = (1 << 19) + 1;
  EXPECT_NE(device_of("cuda", large).find("the vocabulary has 524289 tokens, expected at most 524288"), std::string::npos);
}

TEST(Devices, ThatAreNotThereAreRefused) {
  const simt::DeviceProperties properties = simt::device_properties();
  EXPECT_EQ(device_of("cuda:1", shape()), "--device: cuda:1: there are 1 CUDA devices, counted from 0");
  EXPECT_EQ(device_of("gpu", shape()), "--device: 'gpu', expected auto, cpu, cuda or cuda:N");
  simt::device_properties().capability = 75;
  EXPECT_NE(device_of("auto", shape()).find("cpu ("), std::string::npos);
  EXPECT_NE(device_of("cuda", shape()).find("compute capability 7.5"), std::string::npos);
  simt::device_properties().count = 0;
  EXPECT_NE(device_of("auto", shape()).find("cpu ("), std::string::npos);
  EXPECT_EQ(device_of("cuda", shape()),
            "--device: cuda: no CUDA-capable device is detected; --device cpu "
            "runs on the processor");
  simt::device_properties() = properties;
}

}  // namespace
}  // namespace vernier::model
