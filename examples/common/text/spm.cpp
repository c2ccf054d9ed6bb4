// A merge for every way to cut a token in two that are tokens themselves, or single characters.
#include "common/text/spm.hpp"

#include <algorithm>
#include <functional>

#include "common/text/unicode.hpp"

namespace vernier::text {
namespace {

/// Ids of characters, those that are no tokens included.
class Parts {
 public:
  Parts(std::size_t first, const std::unordered_map<std::string_view, int>& known) : first_(first), known_(known) {}

  /// The id of a part of a token; -1 if no symbol can be spelled so.
  int id(std::string_view text) {
    if (const auto found = known_.find(text); found != known_.end()) return found->second;
    if (utf8_at(text, 0).bytes != text.size()) return -1;
    const auto [found, fresh] = characters_.emplace(std::string(text), static_cast<int>(first_ + order_.size()));
    if (fresh) order_.push_back(found->first);
    return found->second;
  }

  std::vector<std::string> characters() && { return std::move(order_); }

 private:
  std::size_t first_;
  const std::unordered_map<std::string_view, int>& known_;
  std::unordered_map<std::string, int> characters_;
  std::vector<std::string> order_;
};

}  // namespace

ScoredMerges merges_from_scores(const std::vector<std::string>& pieces, const std::vector<bool>& in_model, const std::vector<float>& scores,
                                const std::unordered_map<std::string_view, int>& known) {
  std::vector<float> order;
  for (std::size_t id = 0; id < pieces.size(); ++id)
    if (in_model[id]) order.push_back(scores[id]);
  std::sort(order.begin(), order.end(), std::greater<>());
  order.erase(std::unique(order.begin(), order.end()), order.end());

  ScoredMerges out;
  Parts parts(pieces.size(), known);
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    if (!in_model[id]) continue;
    const std::string_view piece = pieces[id];
    const auto rank = std::lower_bound(order.begin(), order.end(), scores[id], std::greater<>()) - order.begin();
    for (std::size_t at = 0; at < piece.size();) {
      at += utf8_at(piece, at).bytes;
      if (at == piece.size()) break;
      const int left = parts.id(piece.substr(0, at)), right = parts.id(piece.substr(at));
      if (left < 0 || right < 0) continue;
      out.merges.push_back({left, right, static_cast<int>(id)});
      out.ranks.push_back(static_cast<std::uint32_t>(rank));
    }
  }
  out.part_characters = std::move(parts).characters();
  return out;
}

}  // namespace vernier::text
