//===- Regex.cpp - regular expressions of tokenizers ----------------------===//

#include "runtime/tokenizer/Regex.h"
#include "runtime/tokenizer/RegexTranslation.h"
#include "runtime/tokenizer/Unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

static_assert(PCRE2_MAJOR > 10 || (PCRE2_MAJOR == 10 && PCRE2_MINOR >= 40),
              "PCRE2 before 10.40 lacks properties such as Alphabetic");

namespace lq::tok {

struct Regex::Code {
  pcre2_code *compiled = nullptr;
  /// What stands in tokenizer.json, for messages.
  std::string pattern;
  /// Set if the pattern is this text; it needs no regular expression.
  std::string literal;

  ~Code() { pcre2_code_free(compiled); }
};

namespace {

using MatchData =
    std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

/// The next match at or after `from`. Fails with PCRE2's number.
int matchFrom(const pcre2_code *code, std::string_view text, size_t from,
              pcre2_match_data *data) {
  const auto *subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int rc = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK,
                       data, nullptr);
  // Compiled code has a small fixed stack, the interpreter takes heap memory.
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
    rc = pcre2_match(code, subject, text.size(), from,
                     PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, nullptr);
  return rc;
}

std::string pcreMessage(int number) {
  PCRE2_UCHAR text[256];
  if (pcre2_get_error_message(number, text, sizeof(text)) < 0)
    return "error " + std::to_string(number);
  return reinterpret_cast<const char *>(text);
}

void splitLiteral(std::string_view literal, std::string_view text,
                  std::vector<Span> &spans) {
  size_t done = 0;
  for (size_t found = text.find(literal); found != std::string_view::npos;
       found = text.find(literal, done)) {
    if (found > done)
      spans.push_back({done, found, false});
    done = found + literal.size();
    spans.push_back({found, done, true});
  }
  if (done < text.size())
    spans.push_back({done, text.size(), false});
}

} // namespace

Regex::Regex(std::unique_ptr<const Code> code) : code(std::move(code)) {}
Regex::Regex(Regex &&) noexcept = default;
Regex &Regex::operator=(Regex &&) noexcept = default;
Regex::~Regex() = default;

Expected<Regex> Regex::compile(std::string_view pattern) {
  Expected<std::string> translated = translateRegex(pattern);
  if (!translated)
    return translated.takeError();
  auto made = std::make_unique<Code>();
  made->pattern = pattern;
  int number = 0;
  PCRE2_SIZE offset = 0;
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)>
      context(pcre2_compile_context_create(nullptr),
              &pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_bsr(context.get(), PCRE2_BSR_UNICODE);
  made->compiled = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &number, &offset,
      context.get());
  if (!made->compiled)
    return makeError(ErrorCode::Unsupported, "regular expression '", pattern,
                     "': ", pcreMessage(number));
  // Without a compiler for this machine the interpreter does the same, slower.
  (void)pcre2_jit_compile(made->compiled, PCRE2_JIT_COMPLETE);
  return Regex(std::move(made));
}

Expected<Regex> Regex::compileLiteral(std::string_view text) {
  if (text.empty())
    return compile("");
  auto made = std::make_unique<Code>();
  made->pattern = text;
  made->literal = text;
  return Regex(std::move(made));
}

Error Regex::split(std::string_view text, std::vector<Span> &spans) const {
  spans.clear();
  if (text.empty()) {
    spans.push_back({0, 0, false});
    return Error::success();
  }
  if (!code->literal.empty()) {
    splitLiteral(code->literal, text, spans);
    return Error::success();
  }
  MatchData data(pcre2_match_data_create(1, nullptr), &pcre2_match_data_free);
  if (!data)
    return makeError(ErrorCode::OutOfMemory, "regular expression '",
                     code->pattern, "': out of memory");
  size_t done = 0;   // end of the last span
  size_t search = 0; // where to look next
  bool matched = false;
  while (search <= text.size()) {
    int rc = matchFrom(code->compiled, text, search, data.get());
    if (rc == PCRE2_ERROR_NOMATCH)
      break;
    if (rc < 0)
      return makeError(ErrorCode::Unsupported, "regular expression '",
                       code->pattern, "': ", pcreMessage(rc));
    const size_t *ends = pcre2_get_ovector_pointer(data.get());
    size_t begin = ends[0];
    size_t end = ends[1];
    // An empty match right after the last one does not count. (\K can also put
    // the beginning where nothing sensible follows from it.)
    if (begin >= end && matched && end <= done) {
      if (search >= text.size())
        break;
      search += sequenceLength(static_cast<unsigned char>(text[search]));
      continue;
    }
    if (begin < done || begin > end)
      return makeError(ErrorCode::Unsupported, "regular expression '",
                       code->pattern,
                       "': a match that begins before its place");
    if (done < begin)
      spans.push_back({done, begin, false});
    spans.push_back({begin, end, true});
    search = done = end;
    matched = true;
  }
  if (done < text.size())
    spans.push_back({done, text.size(), false});
  return Error::success();
}

} // namespace lq::tok
