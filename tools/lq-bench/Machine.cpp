//===- Machine.cpp - what the machine itself can do -----------------------===//

#include "tools/lq-bench/Machine.h"
#include "runtime/Buffer.h"
#include "runtime/Team.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>

using namespace lq;

static constexpr uint64_t probeBytes = 256 << 20;
static constexpr int probePasses = 5;
static constexpr int barrierRounds = 20000;

static double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// The sum of the words: with independent sums the loads are what limits it.
static uint64_t sumWords(const uint64_t *words, uint64_t count) {
  constexpr int lanes = 16;
  uint64_t sums[lanes] = {};
  for (uint64_t i = 0; i + lanes <= count; i += lanes)
    for (int lane = 0; lane < lanes; ++lane)
      sums[lane] += words[i + static_cast<uint64_t>(lane)];
  uint64_t total = 0;
  for (uint64_t sum : sums)
    total += sum;
  return total;
}

Expected<double> lq::measureReadBandwidth(unsigned threads) {
  auto team = Team::create(threads);
  if (!team)
    return team.takeError();
  auto buffer = Buffer::create(probeBytes, "the memory probe");
  if (!buffer)
    return buffer.takeError();
  auto *words = static_cast<uint64_t *>(buffer->data());
  uint64_t count = probeBytes / sizeof(uint64_t);
  std::atomic<uint64_t> sink{0};
  auto shareOf = [&](int64_t thread, int64_t size) {
    auto share = count / static_cast<uint64_t>(size);
    return std::pair(words + static_cast<uint64_t>(thread) * share, share);
  };
  (*team)->forAll([&](int64_t thread, int64_t size) {
    auto [first, share] = shareOf(thread, size);
    std::memset(first, 1, share * sizeof(uint64_t));
  });
  double best = 0;
  for (int pass = 0; pass < probePasses; ++pass) {
    double start = now();
    (*team)->forAll([&](int64_t thread, int64_t size) {
      auto [first, share] = shareOf(thread, size);
      sink += sumWords(first, share);
    });
    best = std::max(best, static_cast<double>(probeBytes) / (now() - start));
  }
  if (sink == 0)
    return makeError(ErrorCode::Io, "the memory probe read wrong values");
  return best;
}

Expected<double> lq::measureBarrier(unsigned threads) {
  auto team = Team::create(threads);
  if (!team)
    return team.takeError();
  double best = 1;
  for (int pass = 0; pass < probePasses; ++pass) {
    double start = now();
    (*team)->forAll([&](int64_t, int64_t) {
      for (int round = 0; round < barrierRounds; ++round)
        (*team)->barrier();
    });
    best = std::min(best, (now() - start) / barrierRounds);
  }
  return best * 1e9;
}

uint64_t lq::peakResidentBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:"))
      return std::stoull(line.substr(6)) * 1024;
  return 0;
}
