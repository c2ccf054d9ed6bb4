// Objects of a running template: scopes, what can be called, and loops.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/text/jinja_ast.hpp"
#include "common/text/jinja_builtins.hpp"

namespace vernier::text::jinja {

/// Variables of a block, and the blocks around it.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> variables = {};

  const Value* find(std::string_view name) const {
    for (const auto& [key, value] : variables)
      if (key == name) return &value;
    return parent ? parent->find(name) : nullptr;
  }
  void set(const std::string& name, Value value) {
    for (auto& [key, old] : variables)
      if (key == name) {
        old = std::move(value);
        return;
      }
    variables.emplace_back(name, std::move(value));
  }
};
using ScopePtr = std::shared_ptr<Scope>;

/// A macro with the scope that it was written in, a global function, or a method with its object.
struct Callable {
  std::string name;
  const MacroDef* macro = nullptr;
  ScopePtr scope = nullptr;
  const Builtin* builtin = nullptr;
  Value self = {};
  int nesting = 1;  // of self, see Sequence

  bool is_macro() const { return macro != nullptr; }
};

/// A method with its object, so that it can be called later.
Value make_method(Run& run, const Builtin& method, const Value& self);

/// The variable `loop`. Reads one element ahead only when the template asks for the next one or the length.
struct Loop {
  const Stmt* stmt = nullptr;
  ScopePtr scope;  // around the loop: for its filter and for recursion
  std::vector<Value> items;
  std::size_t next = 0;
  std::int64_t index0 = -1;
  int depth0 = 0;
  bool filtered = false;  // items from `next` on have passed the loop's filter
  std::optional<Value> current = {}, before = {}, ahead = {};
  std::optional<std::vector<Value>> changed_values = {};
};

}  // namespace vernier::text::jinja
