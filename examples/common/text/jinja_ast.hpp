// The parsed template. Expressions and statements are plain data; jinja_eval.hpp gives them their meaning.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/text/jinja_value.hpp"

namespace vernier::text::jinja {

struct Builtin;
struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<const Expr>;
using Body = std::vector<Stmt>;

enum class ExprKind {
  constant,             // value
  name,                 // name
  list,                 // items
  tuple,                // items
  dict,                 // items: key, value, key, value
  attribute,            // items[0].name
  item,                 // items[0][items[1]]
  slice,                // items: begin, end, step, each may be null; only inside item
  call,                 // items[0](args)
  filter,               // items[0] | name(args); items[0] is null in filter blocks
  test,                 // items[0] is name(args)
  logical_not,          // items[0]
  logical_and,          // all items
  logical_or,           // all items
  unary,                // ops[0] items[0]
  binary,               // items[0] ops[0] items[1] ops[1] items[2] ..., from the left
  concat,               // items joined by ~
  compare,              // items[0] ops[0] items[1] and items[1] ops[1] items[2] ...
  conditional,          // items[0] if items[1] else items[2] (may be null)
  namespace_attribute,  // name.text: only as a target of set
};

struct CallArgs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star, double_star;  // null if absent
};

struct Expr {
  ExprKind kind;
  int line = 0;
  int depth = 1;  // of the tree below, bounded by the parser
  std::string name = {}, attribute = {};
  Value value = {};
  std::vector<ExprPtr> items = {};
  std::vector<std::string> ops = {};
  std::unique_ptr<const CallArgs> args = nullptr;
  const Builtin* builtin = nullptr;  // of a filter or test; null: unknown, which fails only if it is reached, as in jinja2
};

/// A macro or the body of a call block.
struct MacroDef {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Body body;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
};

enum class StmtKind { text, output, if_, for_, set, set_block, with, macro, call_block, filter_block, scope, break_, continue_ };

struct Stmt {
  StmtKind kind;
  int line = 0;
  Value text = {};                    // text
  std::vector<ExprPtr> exprs = {};    // output: what to print; if_: conditions; for_: the iterable; set: the value; with: values;
                                      // call_block: the call; set_block, filter_block: the filters around it, possibly null
  std::vector<ExprPtr> targets = {};  // for_, set, set_block, with
  std::vector<Body> bodies = {};      // if_: one per condition, one more for else; for_: body, else
  ExprPtr test = nullptr;             // for_ ... if
  std::shared_ptr<const MacroDef> macro = nullptr;  // macro, call_block
  bool recursive = false;                           // for_
};

struct Template {
  Body body;
};

/// Parses a whole template. Throws TemplateError with line and construct, also for what jinja2 has and we do not.
Template parse(std::string_view source);

}  // namespace vernier::text::jinja
