//===- NpyTest.cpp --------------------------------------------------------===//

#include "runtime/Npy.h"
#include "FakeArtifact.h"

#include <random>

using namespace lq;
using namespace lq::test;

namespace {

/// A file as NumPy writes it.
std::string npy(const std::string &header, const std::string &data,
                char version = 1) {
  std::string out = "\x93NUMPY";
  out += version;
  out += '\0';
  out += static_cast<char>(header.size() & 255);
  out += static_cast<char>(header.size() >> 8);
  if (version > 1)
    out += std::string(2, '\0');
  return out + header + data;
}

Expected<NpyArray> parse(const std::string &bytes) {
  TemporaryFolder folder;
  writeFile(folder.file("a.npy"), bytes);
  return readNpy(folder.file("a.npy"));
}

TEST(Npy, EveryTypeSurvivesARoundTrip) {
  TemporaryFolder folder;
  for (ElementType type :
       {ElementType::F32, ElementType::F64, ElementType::F16, ElementType::I8,
        ElementType::I16, ElementType::I32, ElementType::I64, ElementType::U8,
        ElementType::U16, ElementType::U32, ElementType::U64,
        ElementType::Bool}) {
    std::vector<uint8_t> data(6 * elementBytes(type), 1);
    std::vector<int64_t> shape{2, 3};
    ASSERT_FALSE(writeNpy(folder.file("a.npy"), type, shape, data));
    auto array = readNpy(folder.file("a.npy"));
    ASSERT_TRUE(array) << array.error().message();
    EXPECT_EQ(array->type, type);
    EXPECT_EQ(array->shape, shape);
    EXPECT_TRUE(std::ranges::equal(array->bytes, data));
  }
}

TEST(Npy, HeadersOfAllVersions) {
  const std::string header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n";
  for (char version : {1, 2, 3}) {
    auto array = parse(npy(header, std::string(8, '\0'), version));
    ASSERT_TRUE(array) << array.error().message();
    EXPECT_EQ(array->shape, std::vector<int64_t>{2});
  }
}

TEST(Npy, ScalarsAndEmptyArrays) {
  auto scalar =
      parse(npy("{'descr': '<i8', 'fortran_order': False, 'shape': ()}\n",
                std::string(8, '\1')));
  ASSERT_TRUE(scalar) << scalar.error().message();
  EXPECT_TRUE(scalar->shape.empty());
  auto empty = parse(
      npy("{'descr': '|b1', 'fortran_order': False, 'shape': (0, 3)}\n", ""));
  ASSERT_TRUE(empty) << empty.error().message();
  EXPECT_EQ(empty->shape, (std::vector<int64_t>{0, 3}));
}

TEST(Npy, HeadersAreAlignedAsNumPyWantsThem) {
  for (size_t rank = 0; rank < 8; ++rank)
    EXPECT_EQ(
        npyHeader(ElementType::F32, std::vector<int64_t>(rank, 7)).size() % 64,
        0u);
}

TEST(Npy, UnsupportedArraysSayWhy) {
  const std::string data(8, '\0');
  EXPECT_CONTAINS(
      messageOf(parse(npy(
          "{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}\n", data))),
      "'>f4'");
  EXPECT_CONTAINS(
      messageOf(parse(npy(
          "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}\n", data))),
      "'<c8'");
  EXPECT_CONTAINS(
      messageOf(parse(npy(
          "{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}\n", data))),
      "Fortran");
  EXPECT_CONTAINS(
      messageOf(parse(npy("{'descr': [('a', '<f4')], 'fortran_order': False, "
                          "'shape': (2,)}\n",
                          data))),
      "element type");
}

TEST(Npy, DamagedFilesAreErrors) {
  const std::string header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  const std::string whole = npy(header, std::string(8, '\0'));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse(whole.substr(0, size))) << size;
  EXPECT_CONTAINS(messageOf(parse(whole + "x")), "expected 8 bytes");
  EXPECT_CONTAINS(
      messageOf(parse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': "
                          "(4611686018427387904, 4)}",
                          ""))),
      "overflow");
  EXPECT_FALSE(parse(
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "")));
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string mutated = whole;
    mutated[random() % mutated.size()] = static_cast<char>(random());
    auto array = parse(mutated);
    if (array)
      EXPECT_EQ(array->bytes.size(), 8u);
  }
}

} // namespace
