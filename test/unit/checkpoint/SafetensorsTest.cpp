//===- SafetensorsTest.cpp - the reader and writer of safetensors ---------===//

#include "runtime/Safetensors.h"
#include "runtime/MappedFile.h"

#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace lq;

namespace {

std::vector<uint8_t> fileOf(const std::string &header,
                            const std::string &data = "") {
  uint64_t length = header.size();
  std::string text(reinterpret_cast<const char *>(&length), sizeof(length));
  text += header + data;
  return {text.begin(), text.end()};
}

/// The message of the error that parsing gives; empty if there is none.
std::string errorOf(const std::vector<uint8_t> &file) {
  auto reader = SafetensorsReader::parse(file, "file");
  return reader ? "" : reader.error().message();
}

std::string errorOf(const std::string &header, const std::string &data = "") {
  return errorOf(fileOf(header, data));
}

void expectMentions(const std::string &message, const std::string &part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

std::string tensor(const std::string &name, const std::string &type,
                   const std::string &shape, int begin, int end) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
         ",\"data_offsets\":[" + std::to_string(begin) + "," +
         std::to_string(end) + "]}";
}

TEST(Safetensors, GivesTensorsAndMetadata) {
  auto file = fileOf("{\"__metadata__\":{\"format\":\"pt\"}," +
                         tensor("b", "U8", "[2,1]", 4, 6) + "," +
                         tensor("a", "F16", "[2]", 0, 4) + "," +
                         tensor("none", "F32", "[0,3]", 6, 6) + "}   ",
                     "abcdef");
  auto reader = SafetensorsReader::parse(file, "file");
  ASSERT_TRUE(reader) << reader.error().message();
  ASSERT_EQ(reader->tensors().size(), 3u);
  const SafetensorsTensor *b = reader->findTensor("b");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->type, "U8");
  EXPECT_EQ(b->shape, (std::vector<uint64_t>{2, 1}));
  EXPECT_EQ(std::string(b->bytes.begin(), b->bytes.end()), "ef");
  EXPECT_EQ(file[b->fileOffset], 'e');
  EXPECT_FALSE(reader->findTensor("c"));
  EXPECT_EQ(reader->metadata().at("format"), "pt");
}

TEST(Safetensors, RefusesWhatIsNoHeader) {
  expectMentions(errorOf(std::vector<uint8_t>{1, 2, 3}), "3 bytes");
  expectMentions(errorOf(std::vector<uint8_t>(8, 0xff)), "truncated");
  expectMentions(errorOf("[]"), "'{'");
  expectMentions(errorOf("{\"a\":"), "not the JSON");
  expectMentions(errorOf("{\"a\":[[[[1]]]]}"), "not the JSON");
  expectMentions(errorOf("{\"\xff\":{}}"), "not the JSON");
  expectMentions(errorOf("{\"a\":7}"), "'a' has no element type");
  expectMentions(errorOf("{\"__metadata__\":{\"a\":1}}"), "'a' is not a text");
}

TEST(Safetensors, RefusesTensorsThatContradictTheFile) {
  auto one = [](const std::string &type, const std::string &shape, int begin,
                int end, const std::string &data) {
    return errorOf("{" + tensor("a", type, shape, begin, end) + "}", data);
  };
  EXPECT_EQ(one("U8", "[4]", 0, 4, "abcd"), "");
  expectMentions(one("U8", "[4]", 0, 4, "abc"), "'a' (bytes 0 to 4) reaches");
  expectMentions(one("U8", "[4]", 4, 0, "abcd"), "'a'");
  expectMentions(one("U8", "[5]", 0, 4, "abcd"), "'a' has 4 bytes");
  expectMentions(one("X8", "[4]", 0, 4, "abcd"), "unknown element type 'X8'");
  expectMentions(one("U8", "[-4]", 0, 4, "abcd"), "'shape'");
  expectMentions(one("U8", "[4.0]", 0, 4, "abcd"), "'shape'");
  expectMentions(one("F4", "[3]", 0, 1, "a"), "'a'");
  expectMentions(one("U8", "[4294967296,4294967296,16]", 0, 4, "abcd"), "'a'");
  // No bytes, but sizes that no signed number holds.
  EXPECT_EQ(one("U8", "[0,9]", 0, 0, ""), "");
  EXPECT_EQ(one("F4", "[0,3]", 0, 0, ""), "");
  expectMentions(one("U8", "[0,9223372036854775808]", 0, 0, ""), "'a'");
  expectMentions(one("F64", "[4294967296,0,4294967296]", 0, 0, ""), "'a'");
  expectMentions(one("U8", "[3]", 0, 3, "abcd"), "at the end of the file");
  expectMentions(one("U8", "[3]", 1, 4, "abcd"), "before tensor 'a'");
}

TEST(Safetensors, RefusesTensorsThatShareBytesOrNames) {
  expectMentions(errorOf("{" + tensor("a", "U8", "[3]", 0, 3) + "," +
                             tensor("b", "U8", "[2]", 2, 4) + "}",
                         "abcd"),
                 "'b' overlaps tensor 'a'");
  expectMentions(errorOf("{" + tensor("a", "U8", "[2]", 0, 2) + "," +
                             tensor("a", "U8", "[2]", 2, 4) + "}",
                         "abcd"),
                 "'a' stands in the header twice");
}

TEST(Safetensors, WritesWhatItReads) {
  auto path = std::filesystem::temp_directory_path() /
              ("lq-safetensors-" + std::to_string(getpid()));
  SafetensorsWriter writer;
  writer.setMetadata("format", "pt");
  auto add = [&](const std::string &name, const std::string &type,
                 std::vector<uint64_t> shape, std::string data) {
    writer.addTensor(name, type, std::move(shape),
                     [data = std::move(data)](AtomicFile &file) {
                       return file.write(data);
                     });
  };
  add("odd", "U8", {3}, "xyz");
  add("wide \"name\"", "F32", {2}, "12345678");
  Error error = writer.finish(path);
  ASSERT_FALSE(error) << error.message();
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file);
  auto reader = SafetensorsReader::parse((*file)->bytes(), "file");
  ASSERT_TRUE(reader) << reader.error().message();
  const SafetensorsTensor *wide = reader->findTensor("wide \"name\"");
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->fileOffset % 8, 0u);
  EXPECT_EQ(std::string(wide->bytes.begin(), wide->bytes.end()), "12345678");
  const SafetensorsTensor *odd = reader->findTensor("odd");
  EXPECT_EQ(std::string(odd->bytes.begin(), odd->bytes.end()), "xyz");
  std::filesystem::remove(path);
}

TEST(Safetensors, SaysThatAProducerGaveTooLittle) {
  SafetensorsWriter writer;
  writer.addTensor("a", "F32", {2},
                   [](AtomicFile &file) { return file.write("1234"); });
  auto path = std::filesystem::temp_directory_path() /
              ("lq-safetensors-short-" + std::to_string(getpid()));
  expectMentions(writer.finish(path).message(), "'a': expected 8 bytes");
  EXPECT_FALSE(std::filesystem::exists(path));
}

} // namespace
