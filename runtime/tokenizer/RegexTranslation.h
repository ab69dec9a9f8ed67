//===- RegexTranslation.h - Oniguruma patterns for PCRE2 --------*- C++ -*-===//

#ifndef LQ_RUNTIME_TOKENIZER_REGEXTRANSLATION_H
#define LQ_RUNTIME_TOKENIZER_REGEXTRANSLATION_H

#include "runtime/Error.h"

#include <string>
#include <string_view>

namespace lq::tok {

/// Rewrites a pattern in Oniguruma's Ruby syntax, which is what tokenizer.json
/// holds, into one with the same matches under PCRE2's options UTF and UCP. The
/// two differ in the meaning of ^, $, \s, \w, \h, \v, (?m), a(?i)b|c and {n}+,
/// and PCRE2 has neither nested character classes nor && in them. `pattern`
/// must be well-formed UTF-8. Syntax without an equivalent is Unsupported. Not
/// reproduced: (?i) taking one character for two, such as "ß" for "ss".
Expected<std::string> translateRegex(std::string_view pattern);

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_REGEXTRANSLATION_H
