// What the engine needs of a model at one tier: sequences with their KV pages, and a forward over a batch of chunks. The Llama forward
// is one implementation (llama_tier.hpp); tests bring small ones.
#pragma once

#include <span>

#include "common/model/output.hpp"

namespace vernier::serve {

/// Tokens of one sequence to run in this step: they follow those that the sequence already holds.
struct Chunk {
  int sequence = 0;             // handle from TierModel::open() or fork()
  std::span<const int> tokens;  // not empty; reserve() has made room
};

/// One tier. Called by the engine's thread alone. Handles are small numbers that may be used again after close().
///
/// The result for one chunk must not depend, in any bit, on the other chunks of the batch nor on how the tokens before it were cut into
/// chunks: the engine's promise that an answer is the same alone and in a crowd rests on it.
class TierModel {
 public:
  virtual ~TierModel() = default;

  virtual int vocabulary() const = 0;
  /// Most tokens of one sequence, whatever the pool holds.
  virtual int context() const = 0;
  virtual int page_tokens() const = 0;
  virtual int total_pages() const = 0;
  virtual int free_pages() const = 0;

  /// A new empty sequence without pages.
  virtual int open() = 0;
  /// A sequence that begins with the first `tokens` of `sequence` and shares their pages; the first of the two to write into a shared
  /// page copies it (see reserve()).
  virtual int fork(int sequence, int tokens) = 0;
  /// Gives the sequence's share of its pages back.
  virtual void close(int sequence) noexcept = 0;

  /// Makes room for `tokens` beyond those that forward() has appended, which takes new pages and, after a fork, a copy of the last one.
  /// Asking again for what there is room for does nothing. False if the pool cannot give them; then nothing has changed.
  virtual bool reserve(int sequence, int tokens) = 0;

  /// Runs the chunks, appends their keys and values, and writes the outputs, whose rows count the tokens of all chunks one after the other.
  /// Where no token can be chosen the output says why. If this throws, no sequence has grown.
  virtual void forward(std::span<const Chunk> chunks, std::span<model::Output> outputs) = 0;
};

}  // namespace vernier::serve
