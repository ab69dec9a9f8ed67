//===- StatisticsTest.cpp - files of statistics ---------------------------===//

#include "Files.h"

#include <limits>

using namespace lq;

namespace {

using Floats = std::vector<float>;

class StatisticsTest : public FileTest {
protected:
  StatisticsHeader header{{{"q", 2, 10, {"q", "k"}}, {"down", 3, 10, {"down"}}},
                          {{"q", {4, 2}, "aa"}, {"down", {2, 3}, "bb"}},
                          /*hasSumXX=*/true,
                          "a text"};

  /// Writes an input whose sums are first, first + 1, ...
  void writeInput(StatisticsWriter &writer, size_t input, float first) {
    auto columns = static_cast<size_t>(header.inputs[input].columns);
    Floats sums(columns * columns + 2 * columns);
    for (float &value : sums)
      value = first++;
    llvm::ArrayRef<float> all(sums);
    InputStatistics given;
    given.sumXX = all.take_front(header.hasSumXX ? columns * columns : 0);
    given.sumAbs = all.slice(columns * columns, columns);
    given.sumSquare = all.take_back(columns);
    EXPECT_EQ(messageOf(writer.write(input, given)), "");
  }
  void writeFile(const std::string &target) {
    auto writer = StatisticsWriter::open(path("work"), header);
    ASSERT_TRUE(static_cast<bool>(writer));
    writeInput(*writer, 1, 100);
    writeInput(*writer, 0, 1);
    EXPECT_EQ(messageOf(writer->commit(target)), "");
  }
  std::string written() {
    writeFile(path("s"));
    return path("s");
  }
};

TEST_F(StatisticsTest, GivesWhatWasWritten) {
  auto file = StatisticsFile::open(written());
  ASSERT_TRUE(static_cast<bool>(file)) << llvm::toString(file.takeError());
  EXPECT_EQ(file->header().inputs, header.inputs);
  EXPECT_EQ(file->header().weights, header.weights);
  EXPECT_EQ(file->header().text, "a text");
  EXPECT_TRUE(file->header().hasSumXX);
  EXPECT_FALSE(file->isImatrix());
  EXPECT_FALSE(std::filesystem::exists(path("work")));
  // k reads what q reads.
  auto input = file->find("k");
  ASSERT_TRUE(input);
  EXPECT_EQ(input->name, "q");
  EXPECT_EQ(input->columns, 2);
  EXPECT_EQ(input->tokens, 10);
  EXPECT_EQ(input->sumXX.vec(), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(input->sumAbs.vec(), (Floats{5, 6}));
  EXPECT_EQ(input->sumSquare.vec(), (Floats{7, 8}));
  EXPECT_EQ(file->find("down")->sumXX.front(), 100);
  EXPECT_EQ(file->find("down")->sumSquare.back(), 114);
  EXPECT_FALSE(file->find("v"));
  file->release(*input);
  EXPECT_EQ(input->sumXX.vec(), (Floats{1, 2, 3, 4}));
}

TEST_F(StatisticsTest, LeavesProductsOut) {
  header.hasSumXX = false;
  auto file = StatisticsFile::open(written());
  ASSERT_TRUE(static_cast<bool>(file)) << llvm::toString(file.takeError());
  EXPECT_FALSE(file->header().hasSumXX);
  EXPECT_TRUE(file->find("q")->sumXX.empty());
  EXPECT_EQ(file->find("q")->sumAbs.vec(), (Floats{5, 6}));
}

TEST_F(StatisticsTest, HasNothingForAnInputWithoutTokens) {
  header.inputs[0].tokens = 0;
  auto file = StatisticsFile::open(written());
  ASSERT_TRUE(static_cast<bool>(file)) << llvm::toString(file.takeError());
  EXPECT_FALSE(file->find("q"));
  EXPECT_TRUE(file->find("down"));
}

TEST_F(StatisticsTest, ContinuesWhatItLeft) {
  {
    auto writer = StatisticsWriter::open(path("work"), header);
    ASSERT_TRUE(static_cast<bool>(writer));
    writeInput(*writer, 0, 1);
  }
  auto writer = StatisticsWriter::open(path("work"), header);
  ASSERT_TRUE(static_cast<bool>(writer));
  writeInput(*writer, 1, 100);
  EXPECT_EQ(messageOf(writer->commit(path("continued"))), "");
  EXPECT_EQ(read(path("continued")), read(written()));
}

TEST_F(StatisticsTest, StartsAgainForOtherInputs) {
  header.inputs[0].name = "other";
  {
    auto writer = StatisticsWriter::open(path("work"), header);
  }
  header.inputs[0].name = "q";
  auto writer = StatisticsWriter::open(path("work"), header);
  ASSERT_TRUE(static_cast<bool>(writer));
  writeInput(*writer, 0, 1);
  EXPECT_EQ(messageOf(writer->commit(path("new"))), "");
  auto file = StatisticsFile::open(path("new"));
  ASSERT_TRUE(static_cast<bool>(file)) << llvm::toString(file.takeError());
  EXPECT_EQ(file->find("q")->sumXX.vec(), (Floats{1, 2, 3, 4}));
}

TEST_F(StatisticsTest, RefusesSumsThatAreNotFinite) {
  auto writer = StatisticsWriter::open(path("work"), header);
  ASSERT_TRUE(static_cast<bool>(writer));
  Floats xx{1, 2, std::numeric_limits<float>::infinity(), 4}, one{1, 1};
  InputStatistics sums{"", 2, 10, xx, one, one};
  std::string message = messageOf(writer->write(0, sums));
  expectMentions(message, "'q.sum_xx' is not finite at element 2");
}

TEST_F(StatisticsTest, FindsDamagedSums) {
  std::string bytes = read(written());
  float number = 102, nan = std::numeric_limits<float>::quiet_NaN();
  std::string from(reinterpret_cast<const char *>(&number), sizeof number);
  std::string to(reinterpret_cast<const char *>(&nan), sizeof nan);
  bytes.replace(bytes.find(from), from.size(), to);
  write(path("s"), bytes);
  auto file = StatisticsFile::open(path("s"));
  ASSERT_TRUE(static_cast<bool>(file));
  EXPECT_EQ(messageOf(file->checkFinite(*file->find("q"))), "");
  expectMentions(messageOf(file->checkFinite(*file->find("down"))),
                 "'down.sum_xx' is not finite at element 2");
}

TEST_F(StatisticsTest, RefusesWhatIsTruncated) {
  std::string bytes = read(written());
  for (size_t length : {bytes.size() - 1, bytes.size() / 2, size_t(20)}) {
    write(path("cut"), bytes.substr(0, length));
    EXPECT_NE(openError(path("cut")), "") << length;
  }
  write(path("empty"), "");
  expectMentions(openError(path("empty")), "not a file of statistics");
  expectMentions(openError(path("missing")), "missing");
}

TEST_F(StatisticsTest, RefusesOtherSafetensorsFiles) {
  std::string header = R"({"a":{"dtype":"F32","shape":[1],)"
                       R"("data_offsets":[0,4]}})";
  uint64_t length = header.size();
  write(path("s"),
        std::string(reinterpret_cast<char *>(&length), 8) + header + "1234");
  expectMentions(openError(path("s")), "holds no statistics");
}

TEST_F(StatisticsTest, RefusesADamagedDescription) {
  std::string bytes = read(written());
  for (auto [from, to] : {std::pair{"\\\"columns\\\":2", "\\\"columns\\\":3"},
                          {"\\\"columns\\\":2", "\\\"columns\\\":0"},
                          {"\\\"tokens\\\":10", "\\\"tokens\\\":-1"},
                          {"statistics.inputs", "statistics.inputz"},
                          {"[{\\\"", "[[[[["},
                          {"version\":\"1", "version\":\"2"},
                          {"down.sum_abs\"", "down.sum_abz\""}}) {
    std::string damaged = bytes;
    size_t at = damaged.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    damaged.replace(at, std::string(to).size(), to);
    write(path("damaged"), damaged);
    EXPECT_NE(openError(path("damaged")), "") << to;
  }
}

TEST_F(StatisticsTest, SaysWhichWeightIsOfAnotherModel) {
  auto file = StatisticsFile::open(written());
  ASSERT_TRUE(static_cast<bool>(file));
  EXPECT_EQ(messageOf(file->checkWeight({"q", {4, 2}, "aa"})), "");
  expectMentions(messageOf(file->checkWeight({"v", {4, 2}, "aa"})),
                 "weight @v is not in it");
  expectMentions(messageOf(file->checkWeight({"q", {2, 2}, "aa"})),
                 "weight @q has the shape [4, 2] in it, here [2, 2]");
  expectMentions(messageOf(file->checkWeight({"q", {4, 2}, "ab"})),
                 "weight @q has other elements");
}

} // namespace
