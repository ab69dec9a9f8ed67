//===- LogitsFileTest.cpp - logits survive a file -------------------------===//

#include "tools/lq-eval/LogitsFile.h"
#include "FakeArtifact.h"

#include <algorithm>
#include <random>

using namespace lq;
using namespace lq::test;

namespace {
/// Two chunks of six tokens, of which the last two of each are predicted by
/// rows.
struct LogitsFile : testing::Test {
  static constexpr size_t vocabulary = 50;

  LogitsFile() {
    chunks.context = 6;
    chunks.first = 3;
    for (int32_t token = 0; token < 12; ++token)
      chunks.tokens.push_back(token * 3);
    std::mt19937 random(1);
    std::normal_distribution<float> normal(-2, 8);
    rows.resize(chunks.count() * chunks.rows() * vocabulary);
    for (float &logit : rows)
      logit = normal(random);
  }

  Error save() {
    return saveLogits(path, "fake", chunks, vocabulary,
                      [&](const LogitsRowSink &sink) {
                        // In pieces of one and of three rows.
                        std::span<const float> all(rows);
                        if (Error error = sink(all.first(vocabulary)))
                          return error;
                        return sink(all.subspan(vocabulary));
                      });
  }

  TemporaryFolder folder;
  std::string path = folder.file("logits");
  Chunks chunks;
  std::vector<float> rows;
};
} // namespace

TEST_F(LogitsFile, KeepsTokensAndLogits) {
  ASSERT_EQ(messageOf(save()), "");
  auto file = FileLogits::open(path);
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ((*file)->model(), "fake");
  EXPECT_EQ((*file)->vocabulary(), vocabulary);
  EXPECT_EQ((*file)->chunks().tokens, chunks.tokens);
  EXPECT_EQ((*file)->chunks().context, chunks.context);
  EXPECT_EQ((*file)->chunks().first, chunks.first);
  // The second chunk first: its two rows, one at a time.
  for (size_t chunk : {1, 0}) {
    ASSERT_FALSE((*file)->begin(chunk));
    for (size_t row = 0; row < 2; ++row) {
      auto found = (*file)->next(1);
      ASSERT_TRUE(found);
      auto expected = std::span<const float>(rows).subspan(
          (chunk * 2 + row) * vocabulary, vocabulary);
      auto [least, largest] = std::ranges::minmax(expected);
      float half = (largest - least) / 65535 / 2;
      for (size_t i = 0; i < vocabulary; ++i)
        EXPECT_NEAR((*found)[i], expected[i], half * 1.01F);
    }
  }
}

TEST_F(LogitsFile, KeepsEqualLogits) {
  std::ranges::fill(rows, 4.5F);
  ASSERT_EQ(messageOf(save()), "");
  auto file = FileLogits::open(path);
  ASSERT_TRUE(file);
  ASSERT_FALSE((*file)->begin(0));
  auto found = (*file)->next(2);
  EXPECT_TRUE(std::ranges::all_of(*found, [](float x) { return x == 4.5F; }));
}

TEST_F(LogitsFile, IsNotLeftBehindByAFailure) {
  Error error =
      saveLogits(path, "fake", chunks, vocabulary, [&](const LogitsRowSink &) {
        return makeError(ErrorCode::Stopped, "stop");
      });
  EXPECT_EQ(error.message(), "stop");
  EXPECT_TRUE(folder.files().empty());
}

TEST_F(LogitsFile, IsCheckedWhenRead) {
  ASSERT_EQ(messageOf(save()), "");
  std::string good = readFile(path);
  auto messageAfter = [&](const std::string &from, const std::string &to) {
    std::string bytes = good;
    size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos);
    writeFile(path, bytes.replace(at, from.size(), to));
    return messageOf(FileLogits::open(path));
  };
  auto u32 = [](const std::string &key, uint32_t value) {
    return key + std::string("\4\0\0\0", 4) +
           std::string(reinterpret_cast<const char *>(&value), 4);
  };
  EXPECT_CONTAINS(messageAfter("lq-logits", "llq-logit"), "no logits in it");
  EXPECT_CONTAINS(
      messageAfter(u32("lq.logits.version", 1), u32("lq.logits.version", 7)),
      "version 7 of the layout, but this lq-eval reads 1");
  EXPECT_CONTAINS(messageAfter(u32("lq.logits.vocabulary", 50),
                               u32("lq.logits.vocabulary", 51)),
                  "no logits for each scored token");
  EXPECT_CONTAINS(messageAfter(u32("lq.logits.vocabulary", 50),
                               u32("lq.logits.vocabulary", 0)),
                  "bad size of the vocabulary");
  EXPECT_CONTAINS(
      messageAfter(u32("lq.logits.first", 3), u32("lq.logits.first", 2)),
      "no logits for each scored token");
  EXPECT_CONTAINS(
      messageAfter(u32("lq.logits.first", 3), u32("lq.logits.first", 5)),
      "no tensor of tokens");
  EXPECT_CONTAINS(messageAfter("tokens", "tokenz"), "no tensor of tokens");
  writeFile(path, good.substr(0, good.size() - 40));
  EXPECT_CONTAINS(messageOf(FileLogits::open(path)),
                  "reaches past the end of the file");
  writeFile(path, "no GGUF file");
  EXPECT_CONTAINS(messageOf(FileLogits::open(path)), "not a GGUF file");
}

TEST_F(LogitsFile, RefusesRowsThatAreNotFinite) {
  ASSERT_EQ(messageOf(save()), "");
  std::string bytes = readFile(path);
  auto reader = GgufReader::open(path);
  ASSERT_TRUE(reader);
  // The first row's step.
  size_t at = reader->findTensor("logits")->fileOffset + 4;
  bytes.replace(at, 4, std::string("\0\0\xc0\x7f", 4));
  writeFile(path, bytes);
  auto file = FileLogits::open(path);
  ASSERT_TRUE(file);
  ASSERT_FALSE((*file)->begin(0));
  EXPECT_CONTAINS(messageOf((*file)->next(1)), "logits that are not finite");
}
