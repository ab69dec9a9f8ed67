//===- GgufTest.cpp -------------------------------------------------------===//

#include "runtime/Gguf.h"
#include "FakeArtifact.h"

#include <random>
#include <sys/resource.h>

using namespace lq;
using namespace lq::test;

namespace {

/// A file with a value of every type and a few tensors.
void writeSample(const std::string &path, uint32_t alignment = 64) {
  GgufWriter writer(alignment);
  writer.setMetadata("u8", GgufValue(uint8_t(200)));
  writer.setMetadata("i8", GgufValue(int8_t(-5)));
  writer.setMetadata("u16", GgufValue(uint16_t(60000)));
  writer.setMetadata("i16", GgufValue(int16_t(-30000)));
  writer.setMetadata("u32", GgufValue(uint32_t(4000000000u)));
  writer.setMetadata("i32", GgufValue(int32_t(-2000000000)));
  writer.setMetadata("f32", GgufValue(1.5f));
  writer.setMetadata("bool", GgufValue(true));
  writer.setMetadata("string", GgufValue("text \xc3\xa4"));
  writer.setMetadata("u64", GgufValue(uint64_t(1) << 63));
  writer.setMetadata("i64", GgufValue(INT64_MIN));
  writer.setMetadata("f64", GgufValue(-2.25));
  writer.setMetadata("strings",
                     GgufValue(std::vector<std::string>{"", "b", "cc"}));
  writer.setMetadata("ints", GgufValue(std::vector<int32_t>{1, -2, 3}));
  writer.setMetadata("floats", GgufValue(std::vector<float>{0.5f, -1}));
  writer.setMetadata("bools", GgufValue(std::vector<bool>{true, false}));
  static const uint8_t bytes[] = {1, 2, 3, 4, 5};
  writer.addBytes("bytes", bytes);
  writer.addTensor("f32 matrix", 0, {2, 3}, 24, [](GgufSink &sink) -> Error {
    for (float value = 0; value < 6; ++value)
      if (Error error = sink.write(std::string_view(
              reinterpret_cast<const char *>(&value), sizeof(value))))
        return error;
    return Error::success();
  });
  writer.addBytes("empty", {});
  Error error = writer.finish(path);
  ASSERT_FALSE(error) << error.message();
}

TEST(Gguf, ValuesSurviveARoundTrip) {
  TemporaryFolder folder;
  writeSample(folder.file("a.gguf"));
  auto reader = GgufReader::open(folder.file("a.gguf"));
  ASSERT_TRUE(reader) << reader.error().message();
  auto integer = [&](const char *key) {
    return *reader->find(key)->asInteger();
  };
  EXPECT_EQ(integer("u8"), 200);
  EXPECT_EQ(integer("i8"), -5);
  EXPECT_EQ(integer("u16"), 60000);
  EXPECT_EQ(integer("i16"), -30000);
  EXPECT_EQ(integer("u32"), 4000000000);
  EXPECT_EQ(integer("i32"), -2000000000);
  EXPECT_EQ(integer("i64"), INT64_MIN);
  EXPECT_EQ(*reader->find("f32")->asFloat(), 1.5);
  EXPECT_EQ(*reader->find("f64")->asFloat(), -2.25);
  EXPECT_EQ(*reader->find("bool")->asBool(), true);
  EXPECT_EQ(*reader->find("string")->asString(), "text \xc3\xa4");
  EXPECT_EQ(*reader->find("strings")->asStrings(),
            (std::vector<std::string_view>{"", "b", "cc"}));
  EXPECT_EQ(*reader->find("ints")->asIntegers(),
            (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(*reader->find("bools")->asIntegers(), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(*reader->find("floats")->asFloats(),
            (std::vector<float>{0.5f, -1}));
  EXPECT_EQ(reader->find("strings")->size(), 3u);
  EXPECT_EQ(reader->find("strings")->elementType(), GgufType::String);
  EXPECT_EQ(reader->find("nothing"), nullptr);
}

TEST(Gguf, ValuesOfAnotherTypeAreErrors) {
  EXPECT_FALSE(GgufValue(uint64_t(1) << 63).asInteger());
  EXPECT_FALSE(GgufValue("x").asInteger());
  EXPECT_FALSE(GgufValue("x").asFloat());
  EXPECT_FALSE(GgufValue(1).asString());
  EXPECT_FALSE(GgufValue(1).asBool());
  EXPECT_FALSE(GgufValue(1).asStrings());
  EXPECT_FALSE(GgufValue(std::vector<float>{1}).asStrings());
  EXPECT_FALSE(GgufValue(std::vector<float>{1}).asIntegers());
  EXPECT_FALSE(GgufValue(std::vector<int32_t>{1}).asFloats());
}

TEST(Gguf, TensorsAreAligned) {
  TemporaryFolder folder;
  for (uint32_t alignment : {8u, 32u, 4096u}) {
    writeSample(folder.file("a.gguf"), alignment);
    auto reader = GgufReader::open(folder.file("a.gguf"));
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_EQ(reader->alignment(), alignment);
    ASSERT_EQ(reader->tensors().size(), 3u);
    for (const GgufTensor &tensor : reader->tensors())
      EXPECT_EQ(tensor.fileOffset % alignment, 0u);
    const GgufTensor *matrix = reader->findTensor("f32 matrix");
    ASSERT_NE(matrix, nullptr);
    EXPECT_EQ(matrix->dims, (std::vector<uint64_t>{2, 3}));
    float last;
    std::memcpy(&last, matrix->bytes.data() + 20, 4);
    EXPECT_EQ(last, 5);
    EXPECT_EQ(reader->findTensor("bytes")->bytes.size(), 5u);
    EXPECT_EQ(reader->findTensor("bytes")->bytes[4], 5);
    EXPECT_EQ(reader->findTensor("none"), nullptr);
  }
}

TEST(Gguf, AFailingProducerLeavesNothing) {
  TemporaryFolder folder;
  std::string path = folder.file("a.gguf");
  writeFile(path, "before");
  GgufWriter failing;
  failing.addTensor("t", ggufByteTensor, {4}, 4, [](GgufSink &) {
    return makeError(ErrorCode::Io, "no such luck");
  });
  EXPECT_EQ(messageOf(failing.finish(path)), "no such luck");
  GgufWriter shortOne;
  shortOne.addTensor("t", ggufByteTensor, {4}, 4,
                     [](GgufSink &sink) { return sink.write("abc"); });
  EXPECT_CONTAINS(messageOf(shortOne.finish(path)), "got 3");
  EXPECT_EQ(folder.files(), std::vector<std::string>{"a.gguf"});
  EXPECT_EQ(readFile(path), "before");
}

TEST(Gguf, TensorSizes) {
  EXPECT_EQ(*ggufTensorBytes(0, 10, 3), 120u);
  EXPECT_EQ(*ggufTensorBytes(2, 64, 3), 108u);
  EXPECT_EQ(*ggufTensorBytes(12, 512, 2), 576u);
  EXPECT_CONTAINS(messageOf(ggufTensorBytes(2, 65, 3)), "divide");
  EXPECT_CONTAINS(messageOf(ggufTensorBytes(4, 32, 1)), "unknown");
  EXPECT_CONTAINS(messageOf(ggufTensorBytes(999, 32, 1)), "unknown");
  EXPECT_CONTAINS(messageOf(ggufTensorBytes(0, UINT64_MAX / 2, 3)), "overflow");
}

TEST(Gguf, EveryTruncationIsAnError) {
  TemporaryFolder folder;
  writeSample(folder.file("a.gguf"), 32);
  std::string bytes = readFile(folder.file("a.gguf"));
  auto whole = GgufReader::open(folder.file("a.gguf"));
  ASSERT_TRUE(whole);
  // What follows the last tensor is padding.
  const GgufTensor &last = *whole->findTensor("f32 matrix");
  uint64_t needed = last.fileOffset + last.bytes.size();
  for (size_t size = 0; size < needed; ++size) {
    writeFile(folder.file("b.gguf"), bytes.substr(0, size));
    auto reader = GgufReader::open(folder.file("b.gguf"));
    ASSERT_FALSE(reader) << size;
    EXPECT_CONTAINS(reader.error().message(), folder.file("b.gguf"));
  }
}

/// Reads everything a reader offers, so that a sanitizer sees all accesses.
size_t touch(const GgufReader &reader) {
  size_t sum = 0;
  for (const auto &[key, value] : reader.metadata()) {
    sum += key.size() + value.size();
    if (auto strings = value.asStrings())
      for (std::string_view text : *strings)
        for (char c : text)
          sum += static_cast<unsigned char>(c);
    if (auto text = value.asString())
      sum += text->size();
    if (auto integer = value.asInteger())
      sum += static_cast<size_t>(*integer);
    if (auto integers = value.asIntegers())
      sum += integers->size();
    if (auto floats = value.asFloats())
      sum += floats->size();
  }
  for (const GgufTensor &tensor : reader.tensors())
    for (uint8_t byte : tensor.bytes)
      sum += byte;
  return sum;
}

TEST(Gguf, DamagedFilesNeverCrash) {
  TemporaryFolder folder;
  writeSample(folder.file("a.gguf"), 32);
  const std::string bytes = readFile(folder.file("a.gguf"));
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string mutated = bytes;
    for (unsigned flips = 1 + random() % 4; flips; --flips)
      mutated[random() % mutated.size()] = static_cast<char>(random());
    writeFile(folder.file("b.gguf"), mutated);
    auto reader = GgufReader::open(folder.file("b.gguf"));
    if (reader)
      EXPECT_GE(touch(*reader), 0u);
    else
      ++refused;
  }
  EXPECT_GT(refused, 500);
}

TEST(Gguf, RefusesWhatIsNoGguf) {
  TemporaryFolder folder;
  EXPECT_CONTAINS(messageOf(GgufReader::open(folder.file("none"))),
                  "No such file");
  EXPECT_CONTAINS(messageOf(GgufReader::open(folder.file(""))), "regular file");
  writeFile(folder.file("empty"), "");
  EXPECT_CONTAINS(messageOf(GgufReader::open(folder.file("empty"))),
                  "not a GGUF");
  writeFile(folder.file("zip"), "PK\x03\x04 something else entirely");
  EXPECT_CONTAINS(messageOf(GgufReader::open(folder.file("zip"))),
                  "not a GGUF");
  std::string future = "GGUF";
  future += std::string("\x09\0\0\0", 4) + std::string(16, '\0');
  writeFile(folder.file("future"), future);
  EXPECT_CONTAINS(messageOf(GgufReader::open(folder.file("future"))),
                  "version 9");
}

/// A tensor's description, as it stands in a file.
struct Described {
  std::string name;
  std::vector<uint64_t> dims;
  uint32_t type;
  uint64_t offset;
};

/// Why a file of these tensors and 64 bytes of data is refused; empty if it is
/// not.
std::string errorOf(const std::vector<Described> &tensors) {
  std::string bytes = "GGUF";
  auto append = [&](auto value) {
    bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
  };
  append(uint32_t(3));
  append(uint64_t(tensors.size()));
  append(uint64_t(0));
  for (const Described &tensor : tensors) {
    append(uint64_t(tensor.name.size()));
    bytes += tensor.name;
    append(static_cast<uint32_t>(tensor.dims.size()));
    for (uint64_t dim : tensor.dims)
      append(dim);
    append(tensor.type);
    append(tensor.offset);
  }
  bytes.resize((bytes.size() + 31) / 32 * 32 + 64);
  TemporaryFolder folder;
  writeFile(folder.file("a.gguf"), bytes);
  auto reader = GgufReader::open(folder.file("a.gguf"));
  return reader ? "" : reader.error().message();
}

TEST(Gguf, RefusesTensorsThatContradictTheFile) {
  EXPECT_EQ(errorOf({{"a", {4, 2}, 0, 0}, {"b", {4, 2}, 0, 32}}), "");
  EXPECT_CONTAINS(errorOf({{"a", {4}, 0, 0}, {"b", {4, 2}, 0, 64}}),
                  "tensor 'b' (32 bytes) reaches past the end");
  EXPECT_CONTAINS(errorOf({{"a", {4}, 0, 0}, {"a", {4}, 0, 32}}),
                  "tensor 'a' stands there twice");
  EXPECT_CONTAINS(errorOf({{"a", {4}, 0, 0}, {"b", {4}, 0, 16}}),
                  "tensor 'b' is not aligned");
  EXPECT_CONTAINS(errorOf({{"a", {33}, 2, 0}}),
                  "tensor 'a': rows of 33 elements do not divide");
  EXPECT_CONTAINS(errorOf({{"a", {32}, 4, 0}}),
                  "tensor 'a': tensor type 4 is unknown");
  EXPECT_CONTAINS(errorOf({{"a", {1u << 31, 1u << 31}, 0, 0}}), "'a'");
}

TEST(Gguf, RefusesTensorsThatOverlap) {
  EXPECT_CONTAINS(errorOf({{"a", {4}, 0, 32}, {"b", {12}, 0, 0}}),
                  "tensor 'a' overlaps tensor 'b'");
  EXPECT_CONTAINS(errorOf({{"a", {4}, 0, 0}, {"b", {4}, 0, 0}}), "overlaps");
  // Where there are no bytes, none is shared.
  EXPECT_EQ(errorOf({{"a", {8}, 0, 32}, {"b", {0}, 0, 32}}), "");
}

TEST(Gguf, RefusesSizesThatNoSignedNumberHolds) {
  EXPECT_EQ(errorOf({{"a", {4, 0}, 0, 0}}), "");
  EXPECT_CONTAINS(errorOf({{"a", {0, uint64_t(1) << 63}, 0, 0}}),
                  "the size of tensor 'a' overflows");
  EXPECT_CONTAINS(errorOf({{"a", {uint64_t(1) << 63, 0}, 0, 0}}),
                  "the size of tensor 'a' overflows");
  EXPECT_CONTAINS(
      errorOf({{"a", {uint64_t(1) << 40, 0, uint64_t(1) << 40}, 0, 0}}),
      "the size of tensor 'a' overflows");
}

TEST(Gguf, TokenizerHashCoversKeysTypesAndValues) {
  GgufWriter a, b;
  a.setMetadata("tokenizer.x", GgufValue("1"));
  std::string hash = hashTokenizerMetadata(a.metadata());
  a.setMetadata("general.name", GgufValue("not of the tokenizer"));
  EXPECT_EQ(hashTokenizerMetadata(a.metadata()), hash);
  b.setMetadata("tokenizer.y", GgufValue("1"));
  EXPECT_NE(hashTokenizerMetadata(b.metadata()), hash);
  a.setMetadata("lq.tokenizer.pipeline", GgufValue("{}"));
  EXPECT_NE(hashTokenizerMetadata(a.metadata()), hash);
}

} // namespace
