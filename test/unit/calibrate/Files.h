//===- Files.h - files that tests of statistics write -----------*- C++ -*-===//

#ifndef LQ_TEST_UNIT_CALIBRATE_FILES_H
#define LQ_TEST_UNIT_CALIBRATE_FILES_H

#include "passes/calibrate/Statistics.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace lq {

/// A test with a folder of its own.
class FileTest : public testing::Test {
protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("lq-statistics-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string path(const std::string &name) const { return folder / name; }

  static std::string read(const std::string &path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static void write(const std::string &path, const std::string &bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  std::filesystem::path folder;
};

/// The message of the error that opening the file gives; empty if there is none.
inline std::string openError(const std::string &path) {
  auto file = StatisticsFile::open(path);
  return file ? "" : llvm::toString(file.takeError());
}

inline std::string messageOf(llvm::Error error) {
  return llvm::toString(std::move(error));
}

inline void expectMentions(const std::string &message,
                           const std::string &part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

} // namespace lq

#endif // LQ_TEST_UNIT_CALIBRATE_FILES_H
