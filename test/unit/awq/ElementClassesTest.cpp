//===- ElementClassesTest.cpp - classes of a tensor's elements ------------===//

#include "passes/awq/ElementClasses.h"

#include "gtest/gtest.h"

#include <random>

using namespace lq;

namespace {

TEST(ElementClasses, ExpandRepeatsAlongADimension) {
  ElementClasses classes{{2, 1, 2}, {0, 1, 2, 3}};
  classes.expand(1, 3);
  EXPECT_EQ(classes.sizes, (llvm::SmallVector<int64_t>{2, 3, 2}));
  EXPECT_EQ(classes.of,
            (std::vector<int32_t>{0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3}));
}

TEST(ElementClasses, CollapseUnitesAlongADimension) {
  ClassUnion classes(6);
  ElementClasses elements{{1, 3, 2}, {0, 1, 2, 3, 4, 5}};
  elements.collapse(1, classes);
  EXPECT_EQ(elements.sizes, (llvm::SmallVector<int64_t>{1, 1, 2}));
  EXPECT_EQ(elements.of, (std::vector<int32_t>{0, 1}));
  for (int32_t id = 0; id < 6; ++id)
    EXPECT_EQ(classes.find(id), id % 2);
}

TEST(ElementClasses, EmbedLeavesTheRestToOthers) {
  ElementClasses elements{{2, 2}, {0, 1, 2, 3}};
  elements.embed(1, 1, 4, 9);
  EXPECT_EQ(elements.of, (std::vector<int32_t>{9, 0, 1, 9, 9, 2, 3, 9}));
}

TEST(ElementClasses, TransposeMovesDimensions) {
  ElementClasses elements{{2, 3, 4}, {}};
  for (int32_t id = 0; id < 24; ++id)
    elements.of.push_back(id);
  elements.transpose({2, 0, 1}); // [a, b, c] becomes [b, c, a]
  ASSERT_EQ(elements.sizes, (llvm::SmallVector<int64_t>{3, 4, 2}));
  for (int64_t a = 0; a < 2; ++a)
    for (int64_t b = 0; b < 3; ++b)
      for (int64_t c = 0; c < 4; ++c)
        EXPECT_EQ(elements.of[(b * 4 + c) * 2 + a], (a * 3 + b) * 4 + c);
}

TEST(ClassUnion, DoesNotDependOnTheOrderOfCalls) {
  std::vector<std::pair<int32_t, int32_t>> pairs{{1, 5}, {5, 7}, {2, 3},
                                                 {8, 2}, {9, 9}, {7, 0}};
  ClassUnion expected(10);
  for (auto [a, b] : pairs)
    expected.unite(a, b);
  std::mt19937 random(3);
  for (int run = 0; run < 10; ++run) {
    std::shuffle(pairs.begin(), pairs.end(), random);
    ClassUnion classes(10);
    for (auto [a, b] : pairs)
      classes.unite(b, a);
    for (int32_t id = 0; id < 10; ++id)
      EXPECT_EQ(classes.find(id), expected.find(id));
  }
}

} // namespace
