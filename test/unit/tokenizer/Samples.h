//===- Samples.h - small tokenizers for tests -------------------*- C++ -*-===//

#ifndef LQ_TEST_UNIT_TOKENIZER_SAMPLES_H
#define LQ_TEST_UNIT_TOKENIZER_SAMPLES_H

#include "runtime/tokenizer/Tokenizer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>
#include <string>
#include <vector>

namespace lq::test {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;

/// GPT-2-like: all bytes, a few merges, "<|end|>" as special token, which also
/// stands before a text.
Json byteLevelSample();
/// Llama-2-like: spaces as U+2581, byte tokens for what is not in the
/// vocabulary, "<s>" before a text.
Json sentencePieceSample();
/// Three words and their scores.
Json unigramSample();
Json wordPieceSample();

TokenizerModel modelOf(const Json &tokenizer, TokenizerFiles files = {});
/// Fails the test if there is no tokenizer.
Tokenizer load(const Json &tokenizer);
/// The message, or "" if all is well.
std::string errorOf(const std::string &tokenizerJson);
inline std::string errorOf(const Json &tokenizer) {
  return errorOf(tokenizer.dump());
}

Ids encode(const Tokenizer &tokenizer, std::string_view text,
           bool addSpecial = false);

/// Changes, inserts or removes a few bytes, or cuts the end off.
std::string mutated(std::string bytes, std::mt19937 &random);

} // namespace lq::test

#endif // LQ_TEST_UNIT_TOKENIZER_SAMPLES_H
