//===- DimExprTest.cpp ----------------------------------------------------===//

#include "runtime/DimExpr.h"
#include "FakeArtifact.h"

using namespace lq;
using namespace lq::test;

namespace {

const std::vector<std::string> names{"past", "sequence", "odd name + 1"};

std::optional<int64_t> evaluate(const char *text, int64_t past = 10,
                                int64_t sequence = 3) {
  auto dim = DimExpr::parse(text, names);
  if (!dim) {
    ADD_FAILURE() << dim.error().message();
    return std::nullopt;
  }
  return dim->evaluate(std::vector<int64_t>{past, sequence, 99});
}

TEST(DimExpr, Evaluates) {
  EXPECT_EQ(evaluate("7"), 7);
  EXPECT_EQ(evaluate("past"), 10);
  EXPECT_EQ(evaluate("past + sequence"), 13);
  EXPECT_EQ(evaluate("past+sequence"), 13);
  EXPECT_EQ(evaluate("2 * sequence - 1"), 5);
  EXPECT_EQ(evaluate("past - (sequence - 1)"), 8);
  EXPECT_EQ(evaluate("past - sequence - 1"), 6);
  EXPECT_EQ(evaluate("past floordiv sequence"), 3);
  EXPECT_EQ(evaluate("past ceildiv sequence"), 4);
  EXPECT_EQ(evaluate("past mod sequence"), 1);
  EXPECT_EQ(evaluate("-sequence + past"), 7);
  EXPECT_EQ(evaluate("odd name + 1"), 99);
}

TEST(DimExpr, SizesOutOfRangeHaveNoValue) {
  EXPECT_EQ(evaluate("sequence - past"), std::nullopt);
  EXPECT_EQ(evaluate("past * past", INT64_MAX), std::nullopt);
  EXPECT_EQ(evaluate("past + past", INT64_MAX), std::nullopt);
  EXPECT_EQ(evaluate("past floordiv (sequence - 3)"), std::nullopt);
  EXPECT_EQ(evaluate("past mod -1"), std::nullopt);
}

TEST(DimExpr, MalformedTextsAreErrors) {
  for (const char *text :
       {"", " ", "+", "past +", "past past", "(past", "past)", "2 **", "1e9",
        "99999999999999999999", "past floordiv"})
    EXPECT_CONTAINS(messageOf(DimExpr::parse(text, names)),
                    "dimension '" + std::string(text) + "'");
  EXPECT_CONTAINS(messageOf(DimExpr::parse("past + batch", names)),
                  "unknown extent 'batch'");
  EXPECT_FALSE(DimExpr::parse(std::string(1000, '('), names));
  EXPECT_FALSE(DimExpr::parse(std::string(200, '-') + "1", names));
}

TEST(DimExpr, SolvesForOneExtent) {
  auto solve = [](const char *text, int64_t size, size_t unknown) {
    return DimExpr::parse(text, names)->solve(size, unknown, {10, 3, 0});
  };
  EXPECT_EQ(solve("sequence", 5, 1), 5);
  EXPECT_EQ(solve("past + sequence", 15, 1), 5);
  EXPECT_EQ(solve("2 * sequence", 8, 1), 4);
  EXPECT_EQ(solve("2 * sequence", 7, 1), std::nullopt);
  EXPECT_EQ(solve("past + sequence", 9, 1), std::nullopt);
  EXPECT_EQ(solve("past - sequence", 4, 1), 6);
  EXPECT_EQ(solve("past", 4, 1), std::nullopt);
}

TEST(DimExpr, KnowsItsExtents) {
  EXPECT_EQ(DimExpr::parse("sequence + 2 * sequence", names)->extents(),
            std::vector<size_t>{1});
  EXPECT_TRUE(DimExpr(4).extents().empty());
  EXPECT_EQ(shapeText(std::vector<DimExpr>{DimExpr(1),
                                           *DimExpr::parse("past + 1", names)}),
            "[1, past + 1]");
}

} // namespace
