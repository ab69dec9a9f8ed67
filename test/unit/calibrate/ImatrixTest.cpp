//===- ImatrixTest.cpp - llama.cpp's importance matrices ------------------===//

#include "passes/calibrate/Imatrix.h"

#include "Files.h"
#include "runtime/Gguf.h"

using namespace lq;

namespace {

using Floats = std::vector<float>;

class ImatrixTest : public FileTest {
protected:
  std::string written() {
    Floats q{1, 2, 3}, down{4, 5};
    EXPECT_EQ(messageOf(writeImatrix(path("i"),
                                     {{"blk.0.attn_q.weight", 7, q},
                                      {"blk.0.ffn_down.weight", 0, down}},
                                     {{"text.txt"}, 2, 4})),
              "");
    return path("i");
  }
};

TEST_F(ImatrixTest, WritesWhatLlamaCppReads) {
  auto reader = GgufReader::open(written());
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_EQ(*reader->find("general.type")->asString(), "imatrix");
  EXPECT_EQ(reader->find("imatrix.datasets")->asStrings()->front(), "text.txt");
  EXPECT_EQ(reader->find("imatrix.chunk_count")->type(), GgufType::U32);
  EXPECT_EQ(*reader->find("imatrix.chunk_count")->asInteger(), 2);
  EXPECT_EQ(*reader->find("imatrix.chunk_size")->asInteger(), 4);
  const GgufTensor *sums = reader->findTensor("blk.0.attn_q.weight.in_sum2");
  ASSERT_TRUE(sums);
  EXPECT_EQ(sums->type, 0u);
  EXPECT_EQ(sums->dims, (std::vector<uint64_t>{3, 1}));
  const GgufTensor *counts = reader->findTensor("blk.0.attn_q.weight.counts");
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->dims, (std::vector<uint64_t>{1, 1}));
  EXPECT_EQ(*reinterpret_cast<const float *>(counts->bytes.data()), 7);
}

TEST_F(ImatrixTest, IsReadAsStatistics) {
  auto file = StatisticsFile::open(written());
  ASSERT_TRUE(static_cast<bool>(file)) << llvm::toString(file.takeError());
  EXPECT_TRUE(file->isImatrix());
  EXPECT_FALSE(file->header().hasSumXX);
  auto input = file->find("blk.0.attn_q.weight");
  ASSERT_TRUE(input);
  EXPECT_EQ(input->columns, 3);
  EXPECT_EQ(input->tokens, 7);
  EXPECT_EQ(input->sumSquare.vec(), (Floats{1, 2, 3}));
  EXPECT_TRUE(input->sumXX.empty());
  EXPECT_TRUE(input->sumAbs.empty());
  EXPECT_FALSE(file->find("blk.0.ffn_down.weight")) << "it saw no token";
  EXPECT_EQ(messageOf(file->checkWeight({"any", {1}, ""})), "");
}

TEST_F(ImatrixTest, TakesOtherNames) {
  auto file = StatisticsFile::open(written());
  ASSERT_TRUE(static_cast<bool>(file));
  file->rename([](llvm::StringRef name) -> std::vector<std::string> {
    if (name == "blk.0.attn_q.weight")
      return {"q", "same"};
    return {};
  });
  EXPECT_TRUE(file->find("q"));
  EXPECT_EQ(file->find("same")->sumSquare.vec(), (Floats{1, 2, 3}));
  EXPECT_FALSE(file->find("blk.0.attn_q.weight"));
}

std::string number(int32_t value) {
  return {reinterpret_cast<const char *>(&value), sizeof value};
}

std::string oldEntry(const std::string &name, int32_t calls,
                     const Floats &values) {
  return number(static_cast<int32_t>(name.size())) + name + number(calls) +
         number(static_cast<int32_t>(values.size())) +
         std::string(reinterpret_cast<const char *>(values.data()),
                     values.size() * sizeof(float));
}

TEST_F(ImatrixTest, ReadsTheOldForm) {
  // After the entries come the number of the last piece and the text's name.
  std::string bytes = number(2) + oldEntry("blk.0.a", 3, {3, 6}) +
                      oldEntry("blk.1.b", 1, {1, 2, 3}) + number(3) +
                      number(4) + "text";
  write(path("old"), bytes);
  auto file = StatisticsFile::open(path("old"));
  ASSERT_TRUE(static_cast<bool>(file)) << llvm::toString(file.takeError());
  auto input = file->find("blk.0.a");
  ASSERT_TRUE(input);
  EXPECT_EQ(input->tokens, 3);
  EXPECT_EQ(input->sumSquare.vec(), (Floats{3, 6}));
  EXPECT_EQ(file->find("blk.1.b")->sumSquare.vec(), (Floats{1, 2, 3}));
  size_t entries = bytes.size() - 12;
  for (size_t length = 0; length < entries; ++length) {
    write(path("cut"), bytes.substr(0, length));
    EXPECT_NE(openError(path("cut")), "") << length;
  }
}

TEST_F(ImatrixTest, RefusesDamagedFiles) {
  GgufWriter none;
  ASSERT_FALSE(none.finish(path("none")));
  expectMentions(openError(path("none")), "no imatrix file");

  auto withCount = [&](float count, uint64_t matrices) {
    GgufWriter writer;
    Floats counts(matrices, count);
    auto add = [&](const char *name, std::vector<uint64_t> dims,
                   const Floats &values) {
      writer.addTensor(name, 0, std::move(dims), values.size() * sizeof(float),
                       [&](GgufSink &sink) {
                         return sink.write(std::string_view(
                             reinterpret_cast<const char *>(values.data()),
                             values.size() * sizeof(float)));
                       });
    };
    Floats sums(4, 1);
    if (matrices)
      add("a.counts", {1, matrices}, counts);
    add("a.in_sum2", {4, 1}, sums);
    EXPECT_FALSE(writer.finish(path("i")));
    return openError(path("i"));
  };
  EXPECT_EQ(withCount(2, 1), "");
  expectMentions(withCount(-2, 1), "count of 'a'");
  expectMentions(withCount(__builtin_nanf(""), 1), "count of 'a'");
  expectMentions(withCount(2, 2), "holds 2 matrices");
  expectMentions(withCount(2, 0), "'a' are missing");
}

} // namespace
