// Where a model runs: the processor, or a CUDA device. A program chooses once, and pays one virtual call a forward for it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/model/config.hpp"
#include "common/model/formats.hpp"
#include "common/model/output.hpp"
#include "common/model/weights.hpp"
#include "vernier/core/matrix_view.hpp"
#include "vernier/cpu/parallel.hpp"
#include "vernier/cuda/runtime_types.hpp"
#include "vernier/kv/pages.hpp"
#include "vernier/kv/sequence.hpp"

namespace vernier::model {

/// A model on its device, with the activations of one forward at a time.
class PlacedModel {
 public:
  virtual ~PlacedModel() = default;

  virtual const ModelConfig& config() const = 0;

  /// Pages of keys and values in the device's memory. The model must outlive them. Throws Error when the memory cannot be had, or where the
  /// device's kernels do not take such a cache.
  virtual std::shared_ptr<KvPages> make_cache(const KvConfig& config, int pages) = 0;

  /// Takes the memory that forwards of so many tokens and outputs need, so that what is free afterwards is free for pages.
  virtual void reserve(int tokens, int outputs) = 0;

  /// See Llama::forward. cache: of this model's make_cache(). The outputs are there when this returns.
  virtual void forward(KvPages& cache, std::span<const KvChunk> batch, std::span<const int> tokens, std::span<Output> outputs) = 0;

  /// Writes keys and values that no forward made, for those who want a full cache and do not ask what is in it. k, v: (tokens,
  /// kv_heads * head_dim), in host memory; not rotated.
  virtual void append(KvPages& cache, int layer, std::span<const KvChunk> batch, MatrixView<const float> k, MatrixView<const float> v) = 0;
};

/// Bytes per second from memory, and operations per second of the tensor cores.
struct DeviceLimits {
  double read = 0, f16 = 0, bf16 = 0, int8 = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  /// For logs and metrics: "cpu (avx512, 8 threads)" or "cuda:0 (NVIDIA H100 80GB HBM3, sm90a)".
  virtual std::string name() const = 0;

  /// What is free of the device's own memory; nothing where it is the host's.
  virtual std::optional<cuda::MemoryInfo> memory() const = 0;

  /// What a device with its own memory can do at most, measured now, in about a tenth of a second; nothing for the processor, whose limits
  /// bench/common measures.
  virtual std::optional<DeviceLimits> limits() = 0;

  /// How a cache of this device lies in memory, to count its bytes.
  virtual KvLayout kv_layout(const KvConfig& config, const KvGeometry& geometry) const = 0;

  /// A model that runs here. A device with its own memory copies the weights, and does not need them afterwards, except for what says that
  /// it is read from a file. The device must outlive the model.
  virtual std::unique_ptr<PlacedModel> place(std::shared_ptr<const Weights> weights, Activations activations) = 0;
};

/// The processor; the pool is not owned.
std::unique_ptr<Device> open_cpu(cpu::ThreadPool& pool);

/// What --device may say.
inline constexpr const char* device_help = "auto: a CUDA device if there is one; cpu; cuda; or cuda:N";

/// The device that `flag` names, for a model of this shape; the pool is the processor's and is not owned. `auto` without a CUDA device that
/// can run it is the processor. `report` gets a line that says what was chosen, and one for each device that auto passed over. Throws
/// Error, with the reason, where a device is asked for that is not there or cannot run the model, and on any other word.
std::unique_ptr<Device> open_device(const std::string& flag, const ModelConfig& config, cpu::ThreadPool& pool,
                                    const std::function<void(const std::string&)>& report);

}  // namespace vernier::model
