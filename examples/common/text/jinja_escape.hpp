// HTML escaping, which only the filters `safe` and `escape` ever bring into a chat template.
#pragma once

#include "common/text/jinja_text.hpp"

namespace vernier::text::jinja {

/// & < > " ' as character references, marked as markup; origin kept.
Text escape_html(const Text& text);

}  // namespace vernier::text::jinja
