//===- ByteLevel.h - bytes as printable characters --------------*- C++ -*-===//
//
// GPT-2's alphabet: each byte has a character of its own, so that any text can
// be spelt in a vocabulary of printable tokens.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_RUNTIME_TOKENIZER_BYTELEVEL_H
#define LQ_RUNTIME_TOKENIZER_BYTELEVEL_H

#include <string>
#include <string_view>

namespace lq::tok {

/// Appends the characters of the bytes of `bytes`.
void appendByteLevel(std::string &text, std::string_view bytes);

/// Bytes that `appendByteLevel` makes of `bytes`.
size_t byteLevelSize(std::string_view bytes);

/// Appends the bytes of the characters of `text`, or `text` itself if it has a
/// character outside the alphabet.
void appendFromByteLevel(std::string &bytes, std::string_view text);

/// How GPT-2 cuts text into words.
inline constexpr char gpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

} // namespace lq::tok

#endif // LQ_RUNTIME_TOKENIZER_BYTELEVEL_H
