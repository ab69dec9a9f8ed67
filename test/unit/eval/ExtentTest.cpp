//===- ExtentTest.cpp - Dimensions as expressions of symbols --------------===//

#include "passes/raise/eval/Extent.h"
#include <gtest/gtest.h>

using namespace lq;

namespace {

std::string reprinted(llvm::StringRef text) {
  std::optional<Extent> extent = Extent::parse(text);
  return extent ? extent->str() : "nothing";
}

TEST(Extent, ReadsWhatExportersWrite) {
  EXPECT_EQ(reprinted("batch_size"), "batch_size");
  EXPECT_EQ(reprinted("past_sequence_length + sequence_length"),
            "past_sequence_length + sequence_length");
  EXPECT_EQ(reprinted("past_sequence_length + 1"), "past_sequence_length + 1");
  EXPECT_EQ(reprinted("2*batch"), "2 * batch");
  EXPECT_EQ(reprinted("s - 3 + s"), "2 * s - 3");
  EXPECT_EQ(reprinted("7"), "7");
  EXPECT_EQ(reprinted("-s"), "-s");
  EXPECT_EQ(reprinted("sequence*batch"), "batch * sequence");
}

TEST(Extent, RefusesWhatIsNoSuchExpression) {
  for (llvm::StringRef text : {"", "a b", "floor(s/2)", "a*b*c", "+", "a+",
                               "99999999999999999999", "4611686018427387904*4"})
    EXPECT_EQ(reprinted(text), "nothing") << text.str();
}

TEST(Extent, KeepsNoZeroTerms) {
  Extent s = Extent::symbol("s");
  EXPECT_TRUE((s - s).is(0));
  EXPECT_TRUE((s * 0).is(0));
  EXPECT_EQ(s + Extent(2) - s, Extent(2));
  EXPECT_NE(s, Extent::symbol("t"));
}

TEST(Extent, EvaluatesProductsOfSymbols) {
  Assignment values;
  values["b"] = 3;
  values["s"] = 5;
  Extent extent = Extent::product("s", "b", 2) + Extent::symbol("s") - 4;
  EXPECT_EQ(extent.evaluate(values), 31);
  EXPECT_EQ(extent, Extent::product("b", "s", 2) + Extent::symbol("s") - 4);
  EXPECT_EQ(Extent::symbol("t").evaluate(values), std::nullopt);
  values["s"] = INT64_MAX;
  EXPECT_EQ(extent.evaluate(values), std::nullopt);
}

} // namespace
