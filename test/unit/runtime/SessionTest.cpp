//===- SessionTest.cpp ----------------------------------------------------===//

#include "runtime/Session.h"
#include "FakeArtifact.h"

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

using namespace lq;
using namespace lq::test;

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LQ_OWN_ALLOCATOR 0 // that sanitizer brings its own operators
#endif
#endif
#ifndef LQ_OWN_ALLOCATOR
#define LQ_OWN_ALLOCATOR 1
#endif

#if LQ_OWN_ALLOCATOR
// Counts allocations, to show that generating makes none.
static std::atomic<size_t> allocations{0};

void *operator new(size_t size) {
  ++allocations;
  if (void *memory = std::malloc(size))
    return memory;
  throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }
#endif

namespace {

class SessionTest : public ::testing::Test {
protected:
  const Model &open(const FakeArtifact &fake) {
    fake.write(folder.file("m.lq"));
    auto opened = Model::open(folder.file("m.lq"), {.threads = 1});
    if (!opened) {
      ADD_FAILURE() << opened.error().message();
      std::abort();
    }
    model = std::move(*opened);
    return *model;
  }
  std::unique_ptr<Session> session(const FakeArtifact &fake,
                                   SessionOptions options = {.threads = 2}) {
    auto created = Session::create(open(fake), options);
    if (!created) {
      ADD_FAILURE() << created.error().message();
      std::abort();
    }
    return std::move(*created);
  }

  TemporaryFolder folder;
  std::unique_ptr<const Model> model;
};

std::vector<float> copy(const Expected<std::span<const float>> &logits) {
  EXPECT_TRUE(logits) << logits.error().message();
  return logits ? std::vector<float>(logits->begin(), logits->end())
                : std::vector<float>();
}

std::vector<int32_t> countingTokens(size_t count) {
  std::vector<int32_t> tokens(count);
  for (size_t i = 0; i < count; ++i)
    tokens[i] = static_cast<int32_t>((i * 13 + 5) % FakeArtifact::vocabulary);
  return tokens;
}

TEST_F(SessionTest, PrefillOfEveryLengthGivesTheLastLogits) {
  for (unsigned threads : {1u, 2u, 3u}) {
    auto s = session(FakeArtifact::generative(), {.threads = threads});
    for (size_t length = 1; length <= FakeArtifact::context; ++length) {
      std::vector<int32_t> tokens = countingTokens(length);
      ASSERT_FALSE(s->rewind(0));
      EXPECT_EQ(copy(s->prefill(tokens)), FakeArtifact::logitsAfter(tokens));
      EXPECT_EQ(s->position(), static_cast<int64_t>(length));
    }
  }
}

TEST_F(SessionTest, DecodeContinuesAPrefill) {
  auto s = session(FakeArtifact::generative());
  std::vector<int32_t> tokens = countingTokens(11);
  copy(s->prefill(tokens));
  while (s->position() < s->context()) {
    tokens.push_back(static_cast<int32_t>(tokens.size() % 7));
    EXPECT_EQ(copy(s->decode(tokens.back())),
              FakeArtifact::logitsAfter(tokens));
  }
}

TEST_F(SessionTest, ScoreGivesTheLogitsOfEveryToken) {
  auto s = session(FakeArtifact::generative());
  std::vector<int32_t> tokens = countingTokens(30);
  int64_t next = 0;
  Error error = s->score(tokens, [&](int64_t position, int64_t rows,
                                     std::span<const float> logits) {
    EXPECT_EQ(position, next);
    for (int64_t row = 0; row < rows; ++row, ++next) {
      auto first = logits.begin() + row * FakeArtifact::vocabulary;
      std::vector<int32_t> before(tokens.begin(), tokens.begin() + next + 1);
      EXPECT_EQ(std::vector<float>(first, first + FakeArtifact::vocabulary),
                FakeArtifact::logitsAfter(before));
    }
    return Error::success();
  });
  EXPECT_FALSE(error) << error.message();
  EXPECT_EQ(next, 30);
}

TEST_F(SessionTest, ScoreStopsWhereTheSinkFails) {
  auto s = session(FakeArtifact::generative());
  Error error = s->score(countingTokens(30), [](auto...) {
    return Error(ErrorCode::Stopped, "enough");
  });
  EXPECT_EQ(error.message(), "enough");
  EXPECT_EQ(s->position(), FakeArtifact::chunk);
}

TEST_F(SessionTest, RewindForgets) {
  auto s = session(FakeArtifact::generative());
  std::vector<int32_t> tokens = countingTokens(20);
  copy(s->prefill(tokens));
  ASSERT_FALSE(s->rewind(5));
  tokens.resize(5);
  tokens.push_back(3);
  EXPECT_EQ(copy(s->decode(3)), FakeArtifact::logitsAfter(tokens));
  EXPECT_CONTAINS(messageOf(s->rewind(7)), "from 0 to 6, got 7");
  EXPECT_CONTAINS(messageOf(s->rewind(-1)), "got -1");
}

TEST_F(SessionTest, APromptThatDoesNotFitChangesNothing) {
  auto s = session(FakeArtifact::generative());
  copy(s->prefill(countingTokens(10)));
  auto failed = s->prefill(countingTokens(31));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::ContextFull);
  EXPECT_CONTAINS(failed.error().message(), "31 tokens do not fit");
  EXPECT_CONTAINS(failed.error().message(), "40 (10 are taken)");
  EXPECT_EQ(s->position(), 10);
  copy(s->prefill(countingTokens(30)));
  EXPECT_CONTAINS(messageOf(s->decode(1)), "40 are taken");
}

TEST_F(SessionTest, ContextCanBeSmallerButNotLarger) {
  auto s = session(FakeArtifact::generative(), {.threads = 1, .context = 17});
  EXPECT_EQ(s->context(), 17);
  EXPECT_CONTAINS(messageOf(s->prefill(countingTokens(18))),
                  "ask for a larger context");
  std::vector<int32_t> tokens = countingTokens(17);
  EXPECT_EQ(copy(s->prefill(tokens)), FakeArtifact::logitsAfter(tokens));
  EXPECT_CONTAINS(messageOf(Session::create(*model, {.context = 41})),
                  "1 to 40");
  EXPECT_CONTAINS(messageOf(Session::create(*model, {.context = -1})),
                  "got -1");
}

TEST_F(SessionTest, BadTokensAreErrors) {
  auto s = session(FakeArtifact::generative());
  EXPECT_CONTAINS(messageOf(s->prefill({})), "at least one token");
  EXPECT_CONTAINS(messageOf(s->decode(-1)), "token id -1");
  EXPECT_CONTAINS(messageOf(s->decode(61)), "token id 61");
  EXPECT_EQ(s->position(), 0);
}

#if LQ_OWN_ALLOCATOR
TEST_F(SessionTest, GeneratingAllocatesNothing) {
  auto s = session(FakeArtifact::generative());
  std::vector<int32_t> tokens = countingTokens(20);
  copy(s->prefill(tokens));
  size_t before = allocations;
  bool failed = false;
  for (int round = 0; round < 5; ++round) {
    failed |= static_cast<bool>(s->rewind(0));
    failed |= !s->prefill(tokens);
    for (int32_t i = 0; i < 10; ++i)
      failed |= !s->decode(i);
  }
  EXPECT_EQ(allocations, before);
  EXPECT_FALSE(failed);
}
#endif

TEST_F(SessionTest, SessionsOfOneModelAreIndependent) {
  const Model &shared = open(FakeArtifact::generative());
  std::vector<std::thread> users;
  std::atomic<int> wrong{0};
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&, user] {
      auto s = Session::create(shared, {.threads = 2});
      std::vector<int32_t> tokens{user, user + 1};
      for (int round = 0; round < 20; ++round) {
        tokens.resize(2);
        wrong += static_cast<bool>((*s)->rewind(0));
        auto logits = (*s)->prefill(tokens);
        for (int32_t i = 0; logits && i < 20; ++i) {
          wrong += std::vector<float>(logits->begin(), logits->end()) !=
                   FakeArtifact::logitsAfter(tokens);
          tokens.push_back((i * user) % 50);
          logits = (*s)->decode(tokens.back());
        }
        wrong += !logits;
      }
    });
  for (std::thread &user : users)
    user.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(SessionTest, TakesIdsOf32BitsToo) {
  // The code reads 64-bit ids, so only the runtime's side is shown: an id that
  // is followed by zeros in memory reads the same.
  FakeArtifact fake = FakeArtifact::generative();
  fake.manifest["inputs"][0]["type"] = "i32";
  auto s = session(fake);
  EXPECT_EQ(copy(s->decode(9)), FakeArtifact::logitsAfter({9}));
}

TEST_F(SessionTest, LogitsThatDoNotFitTheManifestAreAnError) {
  FakeArtifact fake = FakeArtifact::generative();
  fake.manifest["outputs"][0]["shape"] = {1, "past - 4", 61};
  auto s = session(fake);
  EXPECT_CONTAINS(messageOf(s->decode(1)), "do not fit the manifest");
}

// Tensors.

const std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8};
const std::vector<float> y{1, 10, 100, 1000};
const std::vector<int64_t> xShape{2, 4}, yShape{4};

TEST_F(SessionTest, RunsOnTensorsInAnyOrder) {
  for (unsigned threads : {1u, 3u}) {
    auto s = session(FakeArtifact::tensors(), {.threads = threads});
    std::vector<TensorView> inputs{{"y", ElementType::F32, yShape, y.data()},
                                   {"x", ElementType::F32, xShape, x.data()}};
    auto outputs = s->run(inputs);
    ASSERT_TRUE(outputs) << outputs.error().message();
    ASSERT_EQ(outputs->size(), 2u);
    const TensorView &scaled = (*outputs)[0], &total = (*outputs)[1];
    EXPECT_EQ(scaled.name, "scaled");
    EXPECT_EQ(std::vector(scaled.shape.begin(), scaled.shape.end()), xShape);
    EXPECT_EQ(static_cast<const float *>(scaled.data)[7], 16000);
    EXPECT_EQ(total.type, ElementType::F64);
    EXPECT_EQ(std::vector(total.shape.begin(), total.shape.end()),
              std::vector<int64_t>{2});
    EXPECT_EQ(static_cast<const double *>(total.data)[0], 8642);
    EXPECT_EQ(static_cast<const double *>(total.data)[1], 17530);
  }
}

TEST_F(SessionTest, SizesMayChangeBetweenRuns) {
  auto s = session(FakeArtifact::tensors());
  for (int64_t batch : {1, 16, 0, 3})
    for (int64_t width : {2, 1000, 40}) {
      std::vector<float> a(static_cast<size_t>(batch * width), 1);
      std::vector<float> b(static_cast<size_t>(width), 3);
      std::vector<int64_t> aShape{batch, width}, bShape{width};
      std::vector<TensorView> inputs{{"x", ElementType::F32, aShape, a.data()},
                                     {"y", ElementType::F32, bShape, b.data()}};
      auto outputs = s->run(inputs);
      ASSERT_TRUE(outputs) << outputs.error().message();
      ASSERT_EQ((*outputs)[1].shape[0], batch);
      for (int64_t i = 0; i < batch; ++i)
        EXPECT_EQ(static_cast<const double *>((*outputs)[1].data)[i],
                  static_cast<double>(width) * 6);
    }
}

TEST_F(SessionTest, WrongInputsSayWhatIsExpected) {
  auto s = session(FakeArtifact::tensors());
  TensorView goodX{"x", ElementType::F32, xShape, x.data()};
  TensorView goodY{"y", ElementType::F32, yShape, y.data()};
  auto message = [&](std::vector<TensorView> inputs) {
    return messageOf(s->run(inputs));
  };
  EXPECT_EQ(message({goodX, goodY}), "");
  EXPECT_CONTAINS(message({goodX}), "input 'y' is missing");
  EXPECT_CONTAINS(message({goodX, goodX}), "given twice");
  TensorView other = goodY;
  other.name = "z";
  EXPECT_CONTAINS(message({goodX, other}),
                  "no input is called 'z'; the model has 'x', 'y'");
  other = goodY;
  other.type = ElementType::I32;
  EXPECT_CONTAINS(message({goodX, other}), "expected elements of f32, got i32");
  std::vector<int64_t> shape{3};
  other = goodY;
  other.shape = shape;
  EXPECT_CONTAINS(message({goodX, other}),
                  "expected shape [2 * width], got [3]");
  other.shape = xShape;
  EXPECT_CONTAINS(message({goodX, other}),
                  "expected shape [2 * width], got [2, 4]");
  std::vector<int64_t> odd{2, 3};
  other = goodX;
  other.shape = odd;
  EXPECT_CONTAINS(message({other, goodY}),
                  "expected shape [batch, 2 * width], got [2, 3]");
  std::vector<int64_t> tall{17, 4};
  std::vector<float> many(68);
  other.shape = tall;
  other.data = many.data();
  EXPECT_CONTAINS(message({other, goodY}), "'batch' is 17");
  std::vector<int64_t> negative{-1, 4};
  other.shape = negative;
  EXPECT_CONTAINS(message({other, goodY}), "got [-1, 4]");
}

TEST_F(SessionTest, ExtentsThatNoInputTellsAreAnError) {
  FakeArtifact fake = FakeArtifact::tensors();
  fake.manifest["extents"].push_back({{"name", "ghost"}, {"max", 4}});
  auto s = session(fake);
  std::vector<TensorView> inputs{{"x", ElementType::F32, xShape, x.data()},
                                 {"y", ElementType::F32, yShape, y.data()}};
  EXPECT_CONTAINS(messageOf(s->run(inputs)), "'ghost' does not follow");
}

TEST_F(SessionTest, GenerativeModelsRunOnTensorsToo) {
  auto s = session(FakeArtifact::generative());
  std::vector<int64_t> ids{5, 9, 60, 0, 1, 2, 3, 4, 5, 6}, shape{1, 10};
  std::vector<TensorView> inputs{
      {"input_ids", ElementType::I64, shape, ids.data()}};
  for (int round = 0; round < 2; ++round) {
    auto outputs = s->run(inputs);
    ASSERT_TRUE(outputs) << outputs.error().message();
    const TensorView &logits = (*outputs)[0];
    EXPECT_EQ(std::vector(logits.shape.begin(), logits.shape.end()),
              (std::vector<int64_t>{1, 10, 61}));
    const float *last = static_cast<const float *>(logits.data) + 9 * 61;
    EXPECT_EQ(std::vector<float>(last, last + 61),
              FakeArtifact::logitsAfter(
                  std::vector<int32_t>(ids.begin(), ids.end())));
  }
  ids[3] = 61;
  EXPECT_CONTAINS(messageOf(s->run(inputs)), "token id 61");
  ids[3] = int64_t(1) << 40;
  EXPECT_CONTAINS(messageOf(s->run(inputs)), "not in the vocabulary");
  std::vector<int64_t> batch{2, 5};
  inputs[0].shape = batch;
  EXPECT_CONTAINS(messageOf(s->run(inputs)), "expected shape [1, sequence]");
}

TEST_F(SessionTest, KindsAreNotMixedUp) {
  auto s = session(FakeArtifact::tensors());
  EXPECT_CONTAINS(messageOf(s->decode(1)), "not generative");
  EXPECT_CONTAINS(messageOf(Session::create(*model, {.context = 5})),
                  "not generative");
}

TEST_F(SessionTest, AStateTooLargeIsAnError) {
  FakeArtifact fake = FakeArtifact::generative();
  fake.manifest["context"] = int64_t(1) << 40;
  fake.manifest["states"][0]["bytes_per_position"] = 1 << 30;
  EXPECT_CONTAINS(messageOf(Session::create(open(fake), {.threads = 1})),
                  "overflows");
  fake.manifest["context"] = int64_t(1) << 30;
  EXPECT_CONTAINS(messageOf(Session::create(open(fake), {.threads = 1})),
                  "cannot allocate");
}

} // namespace
