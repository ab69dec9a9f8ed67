//===- JsonDepth.h - how deep a JSON text nests -----------------*- C++ -*-===//

#ifndef LQ_RUNTIME_JSONDEPTH_H
#define LQ_RUNTIME_JSONDEPTH_H

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace lq {

/// The deepest nesting of brackets outside strings. What parses or prints JSON
/// calls itself for each level, so that a text of brackets would end the stack.
inline int jsonDepth(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

} // namespace lq

#endif // LQ_RUNTIME_JSONDEPTH_H
