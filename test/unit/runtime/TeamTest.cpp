//===- TeamTest.cpp -------------------------------------------------------===//

#include "runtime/Team.h"
#include "FakeArtifact.h"

#include <chrono>
#include <thread>

using namespace lq;
using namespace lq::test;

namespace {

std::unique_ptr<Team> makeTeam(unsigned threads) {
  auto team = Team::create(threads);
  EXPECT_TRUE(team);
  return std::move(*team);
}

TEST(Team, EveryThreadRunsOnce) {
  for (unsigned threads : {1u, 2u, 3u, 8u}) {
    auto team = makeTeam(threads);
    ASSERT_EQ(team->size(), threads);
    std::vector<std::atomic<int>> calls(threads);
    for (int round = 0; round < 100; ++round)
      team->forAll([&](int64_t thread, int64_t count) {
        EXPECT_EQ(count, threads);
        ++calls[static_cast<size_t>(thread)];
      });
    for (const auto &count : calls)
      EXPECT_EQ(count, 100);
  }
}

// Each thread checks what its neighbour wrote before the barrier: a barrier
// that lets a thread through early, or does not publish memory, is caught.
TEST(Team, BarriersOrderMemory) {
  for (unsigned threads : {1u, 2u, 4u, 7u}) {
    auto team = makeTeam(threads);
    std::vector<int64_t> values(threads);
    std::atomic<int> wrong{0};
    team->forAll([&](int64_t thread, int64_t count) {
      auto mine = static_cast<size_t>(thread);
      auto next = static_cast<size_t>((thread + 1) % count);
      for (int64_t round = 1; round <= 3000; ++round) {
        values[mine] = round;
        team->barrier();
        if (values[next] != round)
          ++wrong;
        team->barrier();
      }
    });
    EXPECT_EQ(wrong, 0) << threads;
  }
}

TEST(Team, RunPassesTheCallAndABarrier) {
  auto team = makeTeam(3);
  struct Shared {
    std::atomic<int> before{0};
    std::atomic<int> wrong{0};
  } shared;
  void *arguments[] = {&shared};
  LqCall call{};
  call.arguments = arguments;
  LqEntry entry = [](const LqCall *call, int64_t, int64_t threads) {
    auto *shared = static_cast<Shared *>(call->arguments[0]);
    ++shared->before;
    call->barrier(call->team);
    if (shared->before != threads)
      ++shared->wrong;
  };
  team->run(entry, call);
  EXPECT_EQ(shared.before, 3);
  EXPECT_EQ(shared.wrong, 0);
}

// Long pauses make the workers sleep in the kernel; they must wake up.
TEST(Team, WakesSleepingThreads) {
  auto team = makeTeam(4);
  std::atomic<int> calls{0};
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    team->forAll([&](int64_t thread, int64_t) {
      if (thread == round % 4)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      team->barrier();
      ++calls;
    });
  }
  EXPECT_EQ(calls, 80);
}

TEST(Team, TeamsAreIndependent) {
  std::vector<std::thread> owners;
  std::atomic<int> calls{0};
  for (int owner = 0; owner < 4; ++owner)
    owners.emplace_back([&] {
      auto team = makeTeam(2);
      for (int round = 0; round < 200; ++round)
        team->forAll([&](int64_t, int64_t) { ++calls; });
    });
  for (std::thread &owner : owners)
    owner.join();
  EXPECT_EQ(calls, 4 * 2 * 200);
}

TEST(Team, RefusesAbsurdSizes) {
  EXPECT_CONTAINS(messageOf(Team::create(100000)), "at most");
  EXPECT_GE(makeTeam(0)->size(), 1u);
}

} // namespace
